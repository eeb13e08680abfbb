//! A batch bound to its statement: one array a column.

use domain::{CredentialHash, Person, Position, Sealed};
use ledger::Node;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};
use uuid::Uuid;

use super::super::row::damaged;
use super::super::{Applied, ApplyError, Batch, Generation, Leaf, ReadModelError, ServiceRow, UserRow, search};
use super::statements::SQL;

type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// What a batch comes to: the answer of its statement.
pub struct Outcome {
    led: bool,
    moved: bool,
}

impl Outcome {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { led: row.try_get::<i64, _>(0)? == 1, moved: row.try_get::<i64, _>(1)? == 1 })
    }

    /// What that means to whoever had to lead, or not.
    pub fn as_applied(&self, fenced: bool) -> Result<(), ApplyError> {
        match self {
            Self { moved: true, .. } => Ok(()),
            Self { led: false, .. } if fenced => Err(ApplyError::NotLeading),
            _ => Err(ApplyError::Moved),
        }
    }
}

/// A batch with its numbers counted: positions beyond what PostgreSQL counts to are refused before anything is sent.
pub struct Counted<'b> {
    generation: Generation,
    batch: &'b Batch,
    from: Option<&'b Applied>,
    to: i64,
    expected: i64,
    services: [Vec<i64>; 6],
    users: [Vec<i64>; 2],
    credential_revisions: Vec<Option<i64>>,
    ledger: LedgerColumns<'b>,
}

/// Leaves and nodes of the ledger, bound as one array a column.
pub struct LedgerColumns<'b> {
    leaves: &'b [Leaf],
    nodes: &'b [Node],
    positions: Vec<i64>,
    levels: Vec<i64>,
    indexes: Vec<i64>,
}

impl<'b> LedgerColumns<'b> {
    pub fn new(leaves: &'b [Leaf], nodes: &'b [Node]) -> Result<Self, ReadModelError> {
        Ok(Self {
            leaves,
            nodes,
            positions: leaves.iter().map(|leaf| number(leaf.position.get())).collect::<Result<_, _>>()?,
            levels: nodes.iter().map(|node| i64::from(node.level)).collect(),
            indexes: nodes.iter().map(|node| number(node.index)).collect::<Result<_, _>>()?,
        })
    }

    pub fn bind<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        query
            .bind(&self.positions)
            .bind(self.leaves.iter().map(|leaf| &leaf.hash.0[..]).collect::<Vec<_>>())
            .bind(self.leaves.iter().map(|leaf| leaf.user.map(|user| user.uuid())).collect::<Vec<_>>())
            .bind(&self.levels)
            .bind(&self.indexes)
            .bind(self.nodes.iter().map(|node| &node.hash.0[..]).collect::<Vec<_>>())
    }
}

impl<'b> Counted<'b> {
    pub fn new(generation: Generation, batch: &'b Batch, from: Option<&'b Applied>) -> Result<Self, ReadModelError> {
        let of_services =
            |read: fn(&ServiceRow) -> u64| batch.services.iter().map(read).map(number).collect::<Result<Vec<_>, _>>();
        let of_users =
            |read: fn(&UserRow) -> u64| batch.users.iter().map(read).map(number).collect::<Result<Vec<_>, _>>();
        let credential_revision = |row: &UserRow| {
            row.user.credential.as_ref().map(|credential| number(credential.revision.get())).transpose()
        };
        Ok(Self {
            generation,
            batch,
            from,
            to: number(batch.to.position.get())?,
            expected: number(from.map_or(Position::START, |from| from.position).get())?,
            services: [
                of_services(|row| row.service.plan.mailboxes().into())?,
                of_services(|row| row.service.plan.pool_bytes())?,
                of_services(|row| row.service.usage.mailboxes.into())?,
                of_services(|row| row.service.usage.allotted_bytes)?,
                of_services(|row| row.service.revision.get())?,
                of_services(|row| row.last.position.get())?,
            ],
            users: [of_users(|row| row.user.quota.mib())?, of_users(|row| row.user.revision.get())?],
            credential_revisions: batch.users.iter().map(credential_revision).collect::<Result<_, _>>()?,
            ledger: LedgerColumns::new(&batch.leaves, &batch.nodes)?,
        })
    }

    /// Applies it, if the generation stands where it must and `holder`, where there is one, leads.
    pub async fn apply(&self, holder: Option<Uuid>, connection: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
        let (to, from) = (&self.batch.to, self.from);
        let query = sqlx::query(AssertSqlSafe(SQL.apply.as_str()))
            .persistent(super::is_small(&self.batch.users) && super::is_small(&self.batch.leaves))
            .bind(to.log.uuid())
            .bind(self.to)
            .bind(to.leaf.map(|leaf| leaf.0.to_vec()))
            .bind(to.frontier.to_bytes())
            .bind(self.generation.0)
            .bind(self.expected)
            .bind(from.map(|from| from.log.uuid()))
            .bind(holder)
            .bind(self.batch.erased.iter().map(|id| id.uuid()).collect::<Vec<_>>());
        let row = self.ledger.bind(self.users(self.services(query))).fetch_one(connection).await?;
        Outcome::read(&row)
    }

    /// Adds its services and users to the generation; says whether that is there, and not live.
    pub async fn fill(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(SQL.fill.as_str())).persistent(super::is_small(&self.batch.users));
        let row = self.users(self.services(query.bind(self.generation.0))).fetch_one(connection).await?;
        Ok(row.try_get::<i64, _>(0)? == 1)
    }

    fn services<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let rows = &self.batch.services;
        let [mailboxes, pool, used, allotted, revision, last] = &self.services;
        query
            .bind(rows.iter().map(|row| row.id.uuid()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.service.domain.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.service.customer.as_str()).collect::<Vec<_>>())
            .bind(mailboxes)
            .bind(pool)
            .bind(used)
            .bind(allotted)
            .bind(rows.iter().map(|row| row.service.key.uuid()).collect::<Vec<_>>())
            .bind(revision)
            .bind(last)
            .bind(rows.iter().map(|row| &row.last.leaf.0[..]).collect::<Vec<_>>())
    }

    fn users<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let rows = &self.batch.users;
        let [quota, revision] = &self.users;
        let person = |read: fn(&Person) -> &str| -> Vec<Option<&str>> {
            rows.iter().map(|row| row.user.person.value.known().map(read)).collect()
        };
        let credential = |row: &'q UserRow| row.user.credential.as_ref();
        let phc = |hash: &'q Sealed<CredentialHash>| hash.value.known().map(CredentialHash::expose);
        query
            .bind(rows.iter().map(|row| row.id.uuid()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.service.uuid()).collect::<Vec<_>>())
            .bind(person(|person| person.address.as_str()))
            .bind(person(|person| person.first_name.as_str()))
            .bind(person(|person| person.last_name.as_str()))
            .bind(rows.iter().map(|row| row.user.person.key.uuid()).collect::<Vec<_>>())
            .bind(quota)
            .bind(rows.iter().map(|row| row.user.state.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| credential(row).map(|had| had.hash.key.uuid())).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| credential(row).and_then(|had| phc(&had.hash))).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| credential(row).map(|had| had.policy.as_str())).collect::<Vec<_>>())
            .bind(&self.credential_revisions)
            .bind(rows.iter().map(|row| credential(row).map(|had| had.changed_at)).collect::<Vec<_>>())
            .bind(revision)
            .bind(rows.iter().map(|row| row.user.person.value.known().map(search::text_of)).collect::<Vec<_>>())
    }
}

/// A number as PostgreSQL has it.
pub fn number(number: u64) -> Result<i64, ReadModelError> {
    i64::try_from(number).map_err(|_| damaged("a number that PostgreSQL can't count to"))
}
