namespace PeftCore.Cli.Tests;

/// <summary>The bundled models and data.</summary>
internal static class Bundled
{
    public static string BaseLlama => Path.Combine(Repository.Root, "src", "PeftCore.Cli", "Demo", "base-llama");

    public static string BaseT5 => Path.Combine(Repository.Root, "src", "PeftCore.Cli", "Demo", "base-t5");

    public static string BaseBert => Path.Combine(Repository.Root, "docs", "samples", "models", "base-bert");

    public static string DemoData => Path.Combine(Repository.Root, "src", "PeftCore.Cli", "Demo", "data");

    public static string Fixture(params ReadOnlySpan<string> parts) => Path.Combine([Repository.Root, "tests", "fixtures", .. parts]);
}
