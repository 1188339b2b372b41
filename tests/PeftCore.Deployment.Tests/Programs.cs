using System.Runtime.InteropServices;

namespace PeftCore.Deployment.Tests;

/// <summary>Publishes the tool for other machines than this one. The libraries are compiled once for all of them, in a folder of their own,
/// so that the build of the repository stays as it is.</summary>
internal static class Programs
{
    private static readonly Lazy<TemporaryDirectory> Artifacts = new(() => new TemporaryDirectory());

    /// <summary>The demo's model and data.</summary>
    public static string Demo { get; } = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");

    /// <summary>The tool as the build left it, for .NET on this machine.</summary>
    public static string Managed { get; } =
        Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "bin", Packages.Configuration, "net10.0", "PeftCore.Cli.dll");

    /// <summary>Skips the test unless programs shall be published, which takes minutes.</summary>
    public static void RequirePublishing() => Assume.That(Environment.GetEnvironmentVariable("PEFTCORE_PUBLISH"), Is.EqualTo("1"),
        "publishing programs takes minutes; PEFTCORE_PUBLISH=1, which .ci/run sets, runs this test");

    /// <summary>Publishes the tool and returns the folder. Warnings are errors.</summary>
    public static string Publish(string runtime, params string[] options)
    {
        string folder = Artifacts.Value["programs", runtime + string.Concat(options.Select(option => option.Split('=')[^1]))];
        Command.Dotnet(TestFiles.Root, ["publish", "src/PeftCore.Cli", "-c", "Release", "-r", runtime, "--artifacts-path",
            Artifacts.Value["artifacts"], "-o", folder, "-p:RunAnalyzers=false", .. options]);
        return folder;
    }

    /// <summary>linux-x64 or linux-arm64: this machine.</summary>
    public static string ThisMachine { get; } = "linux-" + RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant();

    public static void Remove()
    {
        if (Artifacts.IsValueCreated)
        {
            Artifacts.Value.Dispose();
        }
    }
}
