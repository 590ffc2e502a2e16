//! What is made for deployments, of which there are none.

use serde::Serialize;
use utoipa::ToSchema;

/// A list that is always empty.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(value_type = Vec<Object>)]
pub struct NoneYet([(); 0]);

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct DeploymentsListResponse {
    pub deployments: NoneYet,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct DeploymentsSearchResponse {
    pub return_count: i32,
    pub match_count: i32,
    pub deployments: NoneYet,
    pub minimal_metadata: NoneYet,
    /// Asks for what follows; nothing does.
    pub cursor: String,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Extensions {
    pub extensions: NoneYet,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct TrafficFilterRulesets {
    pub rulesets: NoneYet,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct RepositoryConfigs {
    pub configs: NoneYet,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct StackVersionConfigs {
    pub stacks: NoneYet,
}
