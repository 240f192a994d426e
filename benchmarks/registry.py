"""The recipes that can be measured, by name."""

from benchmarks import generation, semi_supervised, translation

RECIPES = {
    recipe.name: recipe
    for recipe in (semi_supervised.RECIPE, *generation.RECIPES, translation.RECIPE)
}
