namespace PeftCore.Cli.Session;

/// <summary>The canonical path: absolute, links resolved, no separator at the end.</summary>
internal static class RealPath
{
    private const int MostLinks = 40;

    private static StringComparison Comparison => OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;

    /// <summary>Whether two paths name the same file or directory.</summary>
    public static bool AreSame(string one, string other) => string.Equals(Of(one), Of(other), Comparison);

    /// <summary>Whether a path is below a directory.</summary>
    public static bool IsInside(string path, string directory)
    {
        string root = Of(directory);
        return Of(path).StartsWith(root.EndsWith(Path.DirectorySeparatorChar) ? root : root + Path.DirectorySeparatorChar, Comparison);
    }

    /// <summary>Resolves the links of every part of a path; parts that do not exist stay unchanged.</summary>
    public static string Of(string path)
    {
        string full = Path.GetFullPath(path), real = Path.GetPathRoot(full)!;
        var parts = new Stack<string>(full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)
            .Reverse());
        for (int links = 0; parts.Count > 0;)
        {
            string next = Path.Combine(real, parts.Pop());
            if (LinkOf(next) is not { } target || ++links > MostLinks)
            {
                real = next;
                continue;
            }
            string whole = Path.GetFullPath(Path.Combine(real, target));
            real = Path.GetPathRoot(whole)!;
            foreach (string part in whole[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)
                .Reverse())
            {
                parts.Push(part);
            }
        }
        return real;
    }

    private static string? LinkOf(string path)
    {
        try
        {
            return new DirectoryInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
