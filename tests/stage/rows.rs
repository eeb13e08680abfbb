//! The rows of the read model, as whoever has its database changes them behind everybody's back.

use servers::Postgres;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::scene::Scene;

impl Scene {
    /// Has SQL run on the read model, as its owner, while services use it. Columns are called the same on both stacks.
    pub async fn by_hand(&self, sql: &str) {
        if let Some(database) = self.read_model_database() {
            Postgres::shared().psql(database, sql);
            return;
        }
        let options = SqliteConnectOptions::new().filename(self.folder.file("read-model.db"));
        let mut model = SqliteConnection::connect_with(&options).await.unwrap();
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut model).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
        model.close().await.unwrap();
    }
}
