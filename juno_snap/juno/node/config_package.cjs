// Stands in for @junobuild/config: each function gives back what it gets.
exports.defineConfig = (config) => config;
exports.defineDevConfig = (config) => config;
exports.defineConsoleConfig = (config) => config;
