//! Both services in one process, held against their OpenAPI documents by a property-based tester. `EXAMPLES=500` looks longer,
//! and `SEED=N` at something else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod held;

#[tokio::test]
async fn no_answer_is_undocumented_and_nothing_is_taken_that_the_documents_say_is_wrong() {
    held::both_services_are_held_against_their_documents().await;
}
