namespace PeftCore.Deployment.Tests;

/// <summary>The packages of this build, packed once into a temporary folder. Their version is of this run alone, so that no cache has
/// it.</summary>
internal static class Packages
{
    private static readonly Lazy<TemporaryDirectory> Packed = new(Pack);

    public static string Version { get; } = $"0.1.0-test.{DateTime.UtcNow:yyyyMMddHHmmss}.{Environment.ProcessId}";

    public static string Folder => Packed.Value["packages"];

    /// <summary>A file that names the folder as the only source of packages.</summary>
    public static string NugetConfig => Packed.Value["nuget.config"];

    /// <summary>Debug or Release, as this assembly.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public static void Remove()
    {
        if (Packed.IsValueCreated)
        {
            Packed.Value.Dispose();
        }
    }

    private static TemporaryDirectory Pack()
    {
        var directory = new TemporaryDirectory();
        foreach (string project in Directory.GetFiles(Path.Combine(TestFiles.Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            Command.Dotnet(TestFiles.Root, "pack", project, "-c", Configuration, "--no-build", "-o", directory["packages"],
                $"-p:PackageVersion={Version}");
        }
        File.WriteAllText(directory["nuget.config"], $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="packed" value="{directory["packages"]}" />
              </packageSources>
            </configuration>
            """);
        return directory;
    }
}

/// <summary>Removes the packages after the last test.</summary>
[SetUpFixture]
public sealed class PackagesCleanup
{
    [OneTimeTearDown]
    public void Remove() => Packages.Remove();
}
