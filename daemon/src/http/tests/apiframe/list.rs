//! Pages of jobs.

use super::*;

#[tokio::test]
async fn pages_are_stable_while_jobs_arrive_and_filters_fit() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 1000).await;
    let url = bench.clip_url(&ann, "clip 24 1000").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        // Two of one moment: their ids order them.
        if number % 2 == 0 {
            bench.clock.0.fetch_add(1000, Ordering::SeqCst);
        }
        let body = if number == 3 { interpolate(&url, 120) } else { upscale(&url, "720p", 60) };
        ids.push(job_id(&bench.order(&ann, body, None).await));
    }
    let page = async |query: &str| bench.ask(&format!("/v2/jobs{query}"), &ann).await.json();
    let ids_of = |page: &Value| -> Vec<String> {
        page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = page("").await;
    let order = ids_of(&whole);
    assert_eq!((order.len(), &whole["hasMore"], &whole["nextCursor"]), (5, &json!(false), &Value::Null));
    let mut sorted = order.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(order, sorted, "ids of this farm sort by their time");
    assert!(whole["jobs"][0].get("input").is_none(), "an item leaves out what was sent");

    let first = page("?limit=2").await;
    assert_eq!((ids_of(&first), &first["hasMore"]), (order[..2].to_vec(), &json!(true)));
    job_id(&bench.order(&ann, interpolate(&url, 48), None).await);
    let mut seen = ids_of(&first);
    let mut cursor = first["nextCursor"].as_str().unwrap().to_owned();
    loop {
        let next = page(&format!("?limit=2&cursor={cursor}")).await;
        seen.extend(ids_of(&next));
        match next["nextCursor"].as_str() {
            Some(more) => cursor = more.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, order);

    assert_eq!(ids_of(&page("?model=frame-interpolate").await).len(), 2);
    assert_eq!(ids_of(&page("?model=kling").await).len(), 0);
    assert_eq!(ids_of(&page(&format!("?search={}", ids[1])).await), [ids[1].clone()]);
    assert_eq!(ids_of(&page(&format!("?search={}", uuid::Uuid::nil())).await).len(), 0);
    assert_eq!(ids_of(&page("?scope=team").await).len(), 6);
    bench.farm.cancel(ids[0].parse().unwrap()).await.unwrap();
    assert_eq!(ids_of(&page("?status=CANCELLED").await), [ids[0].clone()]);
    assert_eq!(ids_of(&page("?status=QUEUED&limit=100").await).len(), 5);
    let both = json!(["topaz-video-upscale", "frame-interpolate"]);
    assert_eq!(page("?include_models=true&limit=1").await["models"], both);
    assert!(page("?include_models=false").await.get("models").is_none());
    for wrong in ["limit=0", "limit=101", "status=done", "cursor=x", "scope=all", "search=5", "include_models=1"] {
        let answer = bench.ask(&format!("/v2/jobs?{wrong}"), &ann).await;
        let field = wrong.split('=').next().unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.json()["details"][field][0].is_string(), "{wrong}");
    }
}
