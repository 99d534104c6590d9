//! Findings over files, and over files laid on a mesh.
use super::*;

const SHOP: &str = "apiVersion: v1
kind: Service
metadata: { name: shop, namespace: default }
spec: { clusterIP: 10.96.5.1, selector: { app: shop }, ports: [ { name: http, port: 80, targetPort: 8080 } ] }
";

const RULE: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [ shop ]
  http:
  - route:
    - destination:
        host: shp
";

fn documents(text: &str) -> Vec<Document> {
    let mut documents = documents::parse("rules.yaml", text).unwrap();
    documents.iter_mut().for_each(|it| settle(it, "default"));
    documents
}

fn objects_of(text: &str) -> Vec<Value> {
    documents(text).into_iter().map(|it| it.value).collect()
}

#[test]
fn a_finding_of_a_file_has_its_line_and_column() {
    let rows = rows_of_files(&objects_of(SHOP), &documents(RULE));
    let row = rows.iter().find(|it| it.code == "IST0101").unwrap();
    assert_eq!(row.place, Some(("rules.yaml".to_owned(), 9, 9)), "{row:?}");
    let text = report::text(&rows, "1 objects of files");
    assert!(
        text.starts_with(
            "Error [IST0101] (VirtualService default/shop rules.yaml:9:9) spec.http[0]"
        ),
        "{text}"
    );
    assert!(text.contains("\n    ") && text.contains("1 error"), "{text}");
    let json = row.json();
    assert_eq!((&json["level"], &json["reference"]), (&json!("Error"), &json!("rules.yaml:9")));
}

#[test]
fn what_was_wrong_before_is_not_laid_on_the_files() {
    let live = objects_of(&format!("{SHOP}---\n{}", RULE.replace("name: shop }", "name: other }")));
    let good = documents(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: shop }\nspec: { host: shop }\n",
    );
    let rows = rows_of_files(&live, &good);
    assert!(rows.iter().all(|it| it.code != "IST0101"), "{rows:?}");
    let rows = rows_of_live(&live, Some("default"));
    assert!(rows.iter().any(|it| it.code == "IST0101"), "{rows:?}");
    assert_eq!(rows_of_live(&live, Some("elsewhere")), []);
}

#[test]
fn an_object_may_say_that_it_means_it() {
    let meant = RULE.replace(
        "name: shop }",
        "name: shop, annotations: { galley.istio.io/analyze-suppress: IST0101 } }",
    );
    let meant = documents(&meant);
    let rows = rows_of_files(&objects_of(SHOP), &meant);
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(suppressed_by_object(&row, &[], &meant), row.code == "IST0101", "{row:?}");
    }
}

#[test]
fn every_code_is_listed_with_its_meaning() {
    let text = codes();
    assert!(text.starts_with("CODE "), "{text}");
    assert_eq!(text.lines().count(), FINDINGS.len() + 1);
}
