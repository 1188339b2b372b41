namespace PeftCore.Bench;

/// <summary>Paths of this repository's files, independent of the working directory.</summary>
internal static class Repository
{
    public static string Path(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Root(), .. parts]);

    private static string Root()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(at.FullName, "PeftCore.sln")))
            {
                return at.FullName;
            }
        }
        throw new FileNotFoundException($"no PeftCore.sln above {AppContext.BaseDirectory}: benchmarks read the repository's files");
    }
}
