namespace PeftCore.Fuzz.Inputs;

/// <summary>The checked-in files that inputs are made from.</summary>
internal static class Fixture
{
    private static readonly string Root = FindRoot();

    /// <summary>A path below tests/fixtures.</summary>
    public static string PathOf(params ReadOnlySpan<string> parts) => Path.Combine([Root, "tests", "fixtures", .. parts]);

    public static string Text(params ReadOnlySpan<string> parts) => File.ReadAllText(PathOf(parts));

    private static string FindRoot()
    {
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            if (File.Exists(Path.Combine(at, "PeftCore.sln")))
            {
                return at;
            }
        }
        throw new DirectoryNotFoundException("PeftCore.sln is not above the program.");
    }
}
