//! From objects to the model. Translation never fails: it returns what it could do, and findings.

mod check;
mod delegate;
mod entries;
mod extras;
mod gateway;
mod groups;
mod matching;
mod mesh_config;
mod notes;
mod peers;
mod pods;
mod policy;
mod proxies;
mod registry;
mod routing;
mod rule;
mod scope;
mod text;

use crate::findings::Finding;
use crate::model::Model;
use crate::world::World;
pub(crate) use registry::created;

/// What the objects mean, and what is wrong with them. Findings are in order of object and path.
///
/// A bad object, or a bad part of one, harms only itself: the rest means what it would mean alone.
#[must_use]
pub fn understand(world: &World) -> (Model, Vec<Finding>) {
    let mut findings: Vec<Finding> = world.broken().cloned().collect();
    let mut model = Model { settings: world.settings.clone(), ..Model::default() };
    let mesh = mesh_config::mesh_config(world, &mut findings);
    model.settings.allow_any = mesh.allow_any.unwrap_or(model.settings.allow_any);
    model.workloads = registry::workloads(world);
    model.services = registry::services(world, &mesh, &mut findings);
    model.credentials = world.credentials.clone();
    model.peers = peers::peers(world, &mut findings);
    model.networks = registry::networks(world, &mut findings).into();
    model.endpoints = registry::endpoints(world, &model, &mut findings);
    model.routings = routing::routings(world, &mesh, &mut findings);
    model.policies = policy::policies(world, &mesh, &mut findings);
    model.gateways = gateway::gateways(world, &mut findings);
    model.scopes = scope::scopes(world, &mut findings);
    model.mesh = mesh.into();
    groups::groups(world, &mut findings);
    pods::pods(world, &mut findings);
    proxies::proxies(world, &mut findings);
    check::check(world, &model, &mut findings);
    findings.sort();
    findings.dedup();
    (model, findings)
}
