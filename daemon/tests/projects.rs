//! Projects as the farm keeps them: shared and deleted.

mod scene;

use scene::*;
use tweenfarm_daemon::{
    farm::{Effect, FarmError},
    model::{FileState, JobEnd, ShareToken},
};
use tweenfarm_protocol::{
    Xeconds,
    service::{Receipt, Renewal},
    task::Progress,
};

#[tokio::test]
async fn a_deleted_project_fails_its_jobs_refunds_them_and_is_gone() {
    let mut scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let done = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    scene.work_off().await;
    let running = scene.submit(&clip, 1, 8).await.unwrap().job;
    let work = scene.next(0).await.unwrap();
    let queued = scene.submit(&clip, 1, 8).await.unwrap().job;
    let elsewhere = scene.clip(&account, 1).await;
    let spared = scene.submit(&elsewhere, 1, 8).await.unwrap().job;
    let token = scene.farm.share(account.id, clip.project, ShareToken([7; 20])).await.unwrap();
    assert_eq!(scene.effects.try_recv(), Ok(Effect::DeleteWork(done.id)));

    scene.farm.delete_project(account.id, clip.project).await.unwrap();
    assert_eq!(scene.balance(&account), 50 - 16, "what was done stays charged, what was under way does not");
    for id in [running.id, queued.id] {
        let JobEnd::Failed { error, refunded, .. } = scene.end(id) else { panic!("expected a failed job") };
        assert_eq!((error.contains("deleted"), refunded), (true, Xeconds(8)));
    }
    assert!(matches!(scene.end(done.id), JobEnd::Done { .. }));
    assert!(!scene.farm.job(spared.id).unwrap().unwrap().job.has_ended());
    assert_eq!(scene.farm.renew(work.lease, Progress::default()).await.unwrap(), Renewal::Lost);
    assert_eq!(scene.deliver(&work).await, Receipt::Stale);

    assert_eq!(scene.farm.project(clip.project).unwrap(), None);
    assert_eq!(scene.farm.project_with_share(token).unwrap(), None);
    assert_eq!(scene.farm.projects_of(account.id, 9, None).unwrap().len(), 1);
    let files = scene.farm.files_of(clip.project).unwrap();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|file| matches!(file.state, FileState::Deleted { .. })));
    assert!(matches!(scene.submit(&clip, 1, 8).await, Err(FarmError::NotUploaded)));
    assert!(matches!(
        scene.farm.delete_project(account.id, clip.project).await,
        Err(FarmError::NotFound { what: "project" })
    ));
    let mut effects = Vec::new();
    while let Ok(effect) = scene.effects.try_recv() {
        effects.push(effect);
    }
    assert_eq!(
        effects,
        [Effect::DeleteWork(queued.id), Effect::DeleteWork(running.id), Effect::DeleteProject(clip.project)]
    );
    assert!(scene.farm.audit().unwrap().differences.is_empty());
}

#[tokio::test]
async fn a_project_has_one_share_token_until_it_is_taken_away() {
    let scene = Scene::new();
    let (ada, bob) = (scene.account("ada", 0).await, scene.account("bob", 0).await);
    let project = scene.farm.add_project(ada.id, "surf".into()).await.unwrap();
    let share = async |number: u8| scene.farm.share(ada.id, project.id, ShareToken([number; 20])).await.unwrap();
    let opens = |number: u8| scene.farm.project_with_share(ShareToken([number; 20])).unwrap().is_some();
    assert_eq!(share(1).await, ShareToken([1; 20]));
    assert_eq!(share(2).await, ShareToken([1; 20]), "sharing again answers with the same token");
    assert_eq!((opens(1), opens(2)), (true, false));
    let foreign = scene.farm.share(bob.id, project.id, ShareToken([3; 20])).await;
    assert!(matches!(foreign, Err(FarmError::NotYours { .. })));
    assert!(matches!(scene.farm.unshare(bob.id, project.id).await, Err(FarmError::NotYours { .. })));
    assert!(matches!(scene.farm.delete_project(bob.id, project.id).await, Err(FarmError::NotYours { .. })));
    assert!(scene.farm.unshare(ada.id, project.id).await.unwrap());
    assert!(!scene.farm.unshare(ada.id, project.id).await.unwrap());
    assert!(!opens(1));
    assert_eq!(share(4).await, ShareToken([4; 20]));
    assert_eq!((opens(1), opens(4)), (false, true), "a token that was taken away stays away");
}
