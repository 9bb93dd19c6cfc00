//! What every store of people promises.

use domain::key::{IdentifierKey, ProfileId};
use domain::profile::stored::{IdentityRow, Item, ItemKey, Owner, Version, due_shard};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::People;
use ports::people::{Check, Claim, Read, Save, SaveError, StoredProfile};

const WS: &str = "acme";

fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::parse(name).unwrap()
}

fn id(number: u8) -> ProfileId {
    ProfileId::from_bytes([number; 16])
}

fn row(number: u8, generation: u32) -> IdentityRow {
    IdentityRow { owner: Owner::Profile(id(number)), generation }
}

fn item(key: &str, body: &[u8]) -> Item {
    Item { key: ItemKey(key.to_owned()), body: body.to_vec() }
}

fn stored(counter: u64, due: Option<i64>) -> StoredProfile {
    let version = Version { counter, write: [u8::try_from(counter).unwrap(); 8] };
    StoredProfile { version, body: vec![1, 2, 3], due: due.map(Timestamp::from_millis) }
}

fn save(number: u8, seen: Option<&StoredProfile>, next: &StoredProfile) -> Save {
    let seen = seen.map(|stored| stored.version);
    Save {
        id: id(number),
        seen,
        next: next.clone(),
        claims: Vec::new(),
        with: Vec::new(),
        checks: Vec::new(),
    }
}

fn conflicts(saved: &Result<(), SaveError>) {
    assert!(matches!(saved, Err(SaveError::Conflict)), "{saved:?}");
}

/// Runs the whole suite against a fresh store.
pub async fn check<P: People>(people: &P) {
    a_profile_is_written_only_over_the_version_that_was_read(people).await;
    what_travels_together_is_written_whole_or_not_at_all(people).await;
    a_claim_holds_only_if_the_row_still_is_what_was_read(people).await;
    what_is_only_checked_must_stand_as_it_was_read(people).await;
    a_row_is_read_back_whoever_owns_it(people).await;
    items_are_read_by_range_and_replaced_only_as_read(people).await;
    who_is_due_is_found_until_he_is_not(people).await;
    workspaces_do_not_meet(people).await;
    many_are_read_in_the_order_asked(people).await;
}

async fn a_profile_is_written_only_over_the_version_that_was_read<P: People>(people: &P) {
    let ws = workspace(WS);
    let (first, second, third) = (stored(1, None), stored(2, None), stored(3, None));
    people.save(&ws, save(1, None, &first)).await.unwrap();
    conflicts(&people.save(&ws, save(1, None, &second)).await);
    people.save(&ws, save(1, Some(&first), &second)).await.unwrap();
    conflicts(&people.save(&ws, save(1, Some(&first), &third)).await);
    let found = people.profiles(&ws, &[id(1)], Read::Consistent).await.unwrap();
    assert_eq!(found, [Some(second)]);
}

async fn what_travels_together_is_written_whole_or_not_at_all<P: People>(people: &P) {
    let ws = workspace(WS);
    let key = IdentifierKey::from_bytes([2; 16]);
    let claim = Claim { key, seen: None, row: row(2, 0) };
    let whole =
        Save { claims: vec![claim], with: vec![item("page#1", b"one")], ..save(2, None, &stored(1, None)) };
    people.save(&ws, whole.clone()).await.unwrap();
    let late = Save { id: id(3), with: vec![item("page#1", b"lost")], ..whole };
    conflicts(&people.save(&ws, late).await);
    assert_eq!(people.profiles(&ws, &[id(2), id(3)], Read::Consistent).await.unwrap()[1], None);
    let all = |number| {
        let ws = ws.clone();
        async move {
            people.items(&ws, id(number), &ItemKey("page#".into()), &ItemKey("page#~".into())).await.unwrap()
        }
    };
    assert_eq!(all(2).await.items, [item("page#1", b"one")]);
    assert!(all(3).await.items.is_empty());
}

async fn a_claim_holds_only_if_the_row_still_is_what_was_read<P: People>(people: &P) {
    let ws = workspace(WS);
    let key = IdentifierKey::from_bytes([4; 16]);
    let claim = |seen, row| vec![Claim { key, seen, row }];
    let erased = IdentityRow { owner: Owner::Erased(Timestamp::from_millis(77)), generation: 1 };
    people.save(&ws, Save { claims: claim(None, erased), ..save(4, None, &stored(1, None)) }).await.unwrap();
    conflicts(
        &people.save(&ws, Save { claims: claim(None, row(5, 0)), ..save(5, None, &stored(1, None)) }).await,
    );
    let other = IdentityRow { generation: 0, ..erased };
    conflicts(
        &people
            .save(&ws, Save { claims: claim(Some(other), row(5, 2)), ..save(5, None, &stored(1, None)) })
            .await,
    );
    people
        .save(&ws, Save { claims: claim(Some(erased), row(5, 2)), ..save(5, None, &stored(1, None)) })
        .await
        .unwrap();
    assert_eq!(people.identities(&ws, &[key], Read::Consistent).await.unwrap(), [Some(row(5, 2))]);
}

async fn what_is_only_checked_must_stand_as_it_was_read<P: People>(people: &P) {
    let ws = workspace(WS);
    let (first, second) = (stored(1, None), stored(2, None));
    let (taken, free) = (IdentifierKey::from_bytes([50; 16]), IdentifierKey::from_bytes([51; 16]));
    let claims = vec![Claim { key: taken, seen: None, row: row(50, 0) }];
    people.save(&ws, Save { claims, ..save(50, None, &first) }).await.unwrap();
    people.save(&ws, save(50, Some(&first), &second)).await.unwrap();
    let checked = |checks: Vec<Check>| Save { checks, ..save(51, None, &first) };
    let profile = |number, of: &StoredProfile| Check::Profile { id: id(number), seen: of.version };
    let row_is = |key, seen| Check::Row { key, seen };
    for wrong in [
        profile(50, &first),
        profile(52, &first),
        row_is(taken, None),
        row_is(taken, Some(row(50, 1))),
        row_is(taken, Some(row(51, 0))),
        row_is(free, Some(row(51, 0))),
    ] {
        let stands = row_is(IdentifierKey::from_bytes([53; 16]), None);
        let stands = vec![stands, wrong.clone()];
        conflicts(&people.save(&ws, checked(stands)).await);
        assert_eq!(people.profiles(&ws, &[id(51)], Read::Consistent).await.unwrap(), [None], "{wrong:?}");
    }
    let stands = vec![profile(50, &second), row_is(taken, Some(row(50, 0))), row_is(free, None)];
    people.save(&ws, checked(stands)).await.unwrap();
    let found = people.profiles(&ws, &[id(50), id(51)], Read::Consistent).await.unwrap();
    assert_eq!(found, [Some(second), Some(first)]);
    assert_eq!(
        people.identities(&ws, &[taken, free], Read::Consistent).await.unwrap(),
        [Some(row(50, 0)), None]
    );
}

async fn a_row_is_read_back_whoever_owns_it<P: People>(people: &P) {
    let ws = workspace(WS);
    let owners = [Owner::Profile(id(6)), Owner::Nobody, Owner::Erased(Timestamp::from_millis(-5))];
    for (number, owner) in (60..).zip(owners) {
        let key = IdentifierKey::from_bytes([number; 16]);
        let row = IdentityRow { owner, generation: 3 };
        let claims = vec![Claim { key, seen: None, row }];
        people.save(&ws, Save { claims, ..save(number, None, &stored(1, None)) }).await.unwrap();
        assert_eq!(people.identities(&ws, &[key], Read::Consistent).await.unwrap(), [Some(row)]);
    }
}

async fn items_are_read_by_range_and_replaced_only_as_read<P: People>(people: &P) {
    let ws = workspace(WS);
    let items: Vec<Item> = (0..9).map(|n| item(&format!("page#{n}"), &[n])).collect();
    people.put(&ws, id(7), &items).await.unwrap();
    people.put(&ws, id(7), &items[..2]).await.unwrap();
    let (mut from, to) = (ItemKey("page#2".into()), ItemKey("page#8".into()));
    let mut read = Vec::new();
    loop {
        let page = people.items(&ws, id(7), &from, &to).await.unwrap();
        read.extend(page.items);
        let Some(next) = page.next else { break };
        from = ItemKey(format!("{}\0", next.0));
    }
    assert_eq!(read, items[2..8], "from is included, to is not");
    let changed = item("page#3", b"new");
    conflicts(&people.replace(&ws, id(7), None, &changed).await);
    conflicts(&people.replace(&ws, id(7), Some(&changed), &changed).await);
    people.replace(&ws, id(7), Some(&items[3]), &changed).await.unwrap();
    people.replace(&ws, id(7), None, &item("group", b"g")).await.unwrap();
}

async fn who_is_due_is_found_until_he_is_not<P: People>(people: &P) {
    let ws = workspace(WS);
    let number = 8;
    let shard = due_shard(id(number));
    let due = |at| async move { people.due(shard, Timestamp::from_millis(at), 10).await.unwrap() };
    people.save(&ws, save(number, None, &stored(1, Some(60_000)))).await.unwrap();
    assert!(due(59_999).await.is_empty());
    assert_eq!(due(60_000).await, [(ws.clone(), id(number))]);
    let found = people.profiles(&ws, &[id(number)], Read::Consistent).await.unwrap();
    assert_eq!(found[0].as_ref().and_then(|stored| stored.due), Some(Timestamp::from_millis(60_000)));
    people.save(&ws, save(number, Some(&stored(1, None)), &stored(2, None))).await.unwrap();
    assert!(due(i64::MAX / 2).await.is_empty(), "a profile that is not due leaves the index");
}

async fn workspaces_do_not_meet<P: People>(people: &P) {
    let (ws, other) = (workspace(WS), workspace("other"));
    people.save(&ws, save(9, None, &stored(1, None))).await.unwrap();
    assert_eq!(people.profiles(&other, &[id(9)], Read::Consistent).await.unwrap(), [None]);
    people.save(&other, save(9, None, &stored(5, None))).await.unwrap();
    assert_eq!(people.profiles(&ws, &[id(9)], Read::Consistent).await.unwrap(), [Some(stored(1, None))]);
}

async fn many_are_read_in_the_order_asked<P: People>(people: &P) {
    let ws = workspace("many");
    for number in 0..150 {
        people.save(&ws, save(number, None, &stored(u64::from(number), None))).await.unwrap();
    }
    let ids: Vec<ProfileId> = (0..160).rev().chain([5, 5]).map(id).collect();
    let found = people.profiles(&ws, &ids, Read::Eventual).await.unwrap();
    let counters: Vec<Option<u64>> =
        found.iter().map(|one| one.as_ref().map(|one| one.version.counter)).collect();
    let expected =
        (0..160_u64).rev().map(|number| (number < 150).then_some(number)).chain([Some(5), Some(5)]);
    assert_eq!(counters, expected.collect::<Vec<_>>());
}
