//! A recipe as a component of a setup.

use testcelery_api::{Component, Result, WorkerComponent, WorkerContext, WorkerPlan};

use crate::WorkerRecipe;

/// A [`WorkerRecipe`] as a [`WorkerComponent`], for whoever builds a stack of components. The setup's builder does this by itself.
#[derive(Debug)]
pub struct RecipeComponent {
    recipe: Box<dyn WorkerRecipe>,
    kind: String,
    name: Option<String>,
}

impl RecipeComponent {
    /// The component of a recipe.
    pub fn new(recipe: impl WorkerRecipe) -> Self {
        Self { kind: recipe.kind(), name: recipe.name(), recipe: Box::new(recipe) }
    }
}

impl Component for RecipeComponent {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl WorkerComponent for RecipeComponent {
    fn plan(&self, context: &WorkerContext) -> Result<WorkerPlan> {
        self.recipe.plan(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_a_component_of_its_name() {
        #[derive(Debug)]
        struct Mine;

        impl WorkerRecipe for Mine {
            fn kind(&self) -> String {
                "mine".to_owned()
            }

            fn name(&self) -> Option<String> {
                Some("letters".to_owned())
            }
        }

        let component = RecipeComponent::new(Mine);
        assert_eq!((component.kind(), component.name()), ("mine", Some("letters")));
        let plan = component.plan(&WorkerContext::new("letters", "app")).unwrap();
        assert_eq!(plan.spec.name, "letters");
    }
}
