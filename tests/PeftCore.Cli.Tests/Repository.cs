namespace PeftCore.Cli.Tests;

/// <summary>Paths of the checked-in files.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
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
