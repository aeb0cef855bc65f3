//! What the operator of a history does: pauses and drains, cancels and undoes, tries again what failed.

use crate::world::World;
use tweenfarm_daemon::{
    farm::{FarmError, Order},
    model::{JobEnd, JobState, Priority},
};

impl World {
    pub(crate) async fn operate(&mut self) {
        let job = self.dice.pick(&self.jobs);
        let agent = self.agents[usize::try_from(self.dice.below(self.plot.agents)).unwrap()].agent();
        let farm = self.scene.farm.clone();
        let is_calm_soon = self.dice.once_in(2);
        let ended = |result: Result<_, FarmError>| match result {
            Ok(_) | Err(FarmError::JobEnded) => {}
            Err(other) => panic!("{other}"),
        };
        match (self.dice.below(9), job) {
            (0, _) => drop(farm.pause_queue(is_calm_soon).await.unwrap()),
            (1, _) => {
                let held = self.held(|of, _| of == agent);
                farm.order(agent, Order::Pause).await.unwrap();
                self.check_costs_nothing(&held);
            }
            (2, _) => drop(farm.order(agent, Order::Drain).await.unwrap()),
            (3, _) => drop(farm.order(agent, Order::Work).await.unwrap()),
            (4, Some(job)) => ended(farm.pause_job(job, is_calm_soon).await),
            (5, Some(job)) => {
                let priority = i32::try_from(self.dice.below(201)).unwrap() - 100;
                ended(farm.prioritise(job, Priority::new(priority).unwrap()).await);
            }
            (6, Some(job)) => drop(farm.cancel(job).await.unwrap()),
            (7, Some(_)) => self.undo().await,
            (8, Some(_)) => self.retry().await,
            _ => {}
        }
    }

    async fn undo(&mut self) {
        for job in self.jobs.clone() {
            let before = self.scene.farm.job(job).unwrap().unwrap().job;
            let can = before.kept().is_some_and(|kept| self.scene.farm.now() < kept.until);
            match self.scene.farm.undo_cancel(job).await {
                Ok(_) => {
                    assert!(can, "more was undone than could be");
                    *self.undone.entry(job).or_default() += 1;
                }
                Err(FarmError::NothingToUndo) => assert!(!can),
                Err(FarmError::InsufficientXeconds { .. }) => assert!(can),
                Err(other) => panic!("{other}"),
            }
        }
    }

    async fn retry(&mut self) {
        for job in self.jobs.clone() {
            let failed = matches!(self.scene.state(job), JobState::Ended { end: JobEnd::Failed { .. }, .. });
            match self.scene.farm.retry(job).await {
                Ok(_) => {
                    assert!(failed, "what had not failed was tried again");
                    *self.retried.entry(job).or_default() += 1;
                    // Slots of the first run count no more.
                    self.accepted.remove(&job);
                    self.joined.remove(&job);
                    self.marked.remove(&job);
                }
                Err(FarmError::NotFailed) => assert!(!failed),
                Err(FarmError::InsufficientXeconds { .. }) => assert!(failed),
                Err(other) => panic!("{other}"),
            }
        }
    }
}
