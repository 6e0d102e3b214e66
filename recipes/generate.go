package recipes

//go:generate go run fovea/internal/genrecipes
