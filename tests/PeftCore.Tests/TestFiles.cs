namespace PeftCore.Tests;

/// <summary>Paths of the checked-in fixtures, and temporary directories.</summary>
internal static class TestFiles
{
    /// <summary>The directory that holds PeftCore.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A path below tests/fixtures.</summary>
    public static string Fixture(params ReadOnlySpan<string> parts) => Path.Combine([Root, "tests", "fixtures", .. parts]);

    private static string FindRoot()
    {
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            if (File.Exists(Path.Combine(at, "PeftCore.sln")))
            {
                return at;
            }
        }

        throw new DirectoryNotFoundException("PeftCore.sln is not above the test assembly.");
    }
}

/// <summary>A temporary directory, removed on dispose.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string FullPath { get; } = Directory.CreateTempSubdirectory("peftcore-").FullName;

    public string this[params ReadOnlySpan<string> parts] => Path.Combine([FullPath, .. parts]);

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
