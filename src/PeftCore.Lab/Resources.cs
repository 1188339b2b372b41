using System.Reflection;

namespace PeftCore.Lab;

/// <summary>The files that the assembly holds.</summary>
internal static class Resources
{
    private static readonly Assembly Own = typeof(Resources).Assembly;

    /// <summary>Bytes of a file; null if there is none of this name.</summary>
    public static byte[]? Find(string name)
    {
        using var stream = Own.GetManifestResourceStream(name);
        if (stream is null)
        {
            return null;
        }
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>A text file that must be there.</summary>
    public static string Text(string name) => System.Text.Encoding.UTF8.GetString(Find(name)
        ?? throw new InvalidOperationException($"the assembly has no file {name}"));
}
