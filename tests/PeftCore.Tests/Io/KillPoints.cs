using System.Security.Cryptography;
using PeftCore.Io;

namespace PeftCore.Tests.Io;

/// <summary>Simulates kills of a writer before each of its changes to the disk.</summary>
internal static class KillPoints
{
    /// <summary>Kills a writer at every point until it completes. Each time a reader must find all old or all new files, leftovers must be
    /// hidden, and the next run must complete and leave no temporary files.</summary>
    /// <param name="root">The directory that contains all written files.</param>
    /// <param name="makeOld">Creates the old files in an empty root.</param>
    /// <param name="write">Writes the new files.</param>
    /// <param name="read">Reads the files by the library.</param>
    /// <param name="every">Takes only each n-th point.</param>
    /// <param name="bytes">Returns the part of a file that is compared; null for the whole file.</param>
    /// <returns>The number of points, and the number of those at which files were being moved into place.</returns>
    public static (int Points, int Moving) Check(string root, Action makeOld, Action write, Action read, int every = 1,
        Func<string, byte[]>? bytes = null)
    {
        Reset(root, makeOld);
        string old = Content(root, bytes);
        write();
        string whole = Content(root, bytes);
        Assert.That(whole, Is.Not.EqualTo(old), "there must be something to write");
        Assert.That(Hidden(root), Is.Empty, "a writer that completes leaves nothing");
        int moving = 0;
        for (int point = 0; ; point += every)
        {
            Reset(root, makeOld);
            if (Stop(point, write, _ => throw new Killed(), once: false) is not { } place)
            {
                return (point, moving);
            }
            string seen = Content(root, bytes);
            if (seen != old && seen != whole)
            {
                moving++;
                Assert.That(Hidden(root).Any(path => Path.GetFileName(path) == HiddenNames.Committed),
                    $"{point}: {place}: half is written, and nothing says so");
            }
            read();
            Assert.That(Content(root, bytes), Is.EqualTo(old).Or.EqualTo(whole), $"{point}: {place}: a reader sees a half");
            write();
            Assert.That(Content(root, bytes), Is.EqualTo(whole), $"{point}: {place}: the next run does not complete");
            Assert.That(Hidden(root), Is.Empty, $"{point}: {place}: the next run leaves something");
        }
    }

    /// <summary>Runs a writer and calls <paramref name="instead"/> before its changes to the disk, from a point on.</summary>
    /// <returns>The description of the next change; null if the writer completed before.</returns>
    public static string? Stop(int point, Action write, Action<string> instead, bool once)
    {
        int passed = 0;
        string? place = null;
        DiskChanges.Before = change =>
        {
            if (passed == point || (passed > point && !once))
            {
                place ??= change;
                passed++;
                instead(change);
            }
            passed++;
        };
        try
        {
            write();
        }
        catch (Killed)
        {
        }
        finally
        {
            DiskChanges.Before = null;
        }
        return place;
    }

    /// <summary>All files that are not hidden, with their content, one a line.</summary>
    public static string Content(string root, Func<string, byte[]>? bytes = null) =>
        string.Join('\n', Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
        .Select(path => (Name: Path.GetRelativePath(root, path).Replace('\\', '/'), Path: path))
        .Where(file => !file.Name.Contains(HiddenNames.Prefix, StringComparison.Ordinal))
        .OrderBy(file => file.Name, StringComparer.Ordinal)
        .Select(file => $"{file.Name} {Convert.ToHexString(SHA256.HashData((bytes ?? File.ReadAllBytes)(file.Path)))}"));

    /// <summary>All hidden entries, outermost names only.</summary>
    public static string[] Hidden(string root) => [.. Directory.EnumerateFileSystemEntries(root, "*", SearchOption.AllDirectories)
        .Where(path => Path.GetFileName(path).StartsWith(HiddenNames.Prefix, StringComparison.Ordinal))];

    private static void Reset(string root, Action makeOld)
    {
        Directory.Delete(root, recursive: true);
        Directory.CreateDirectory(root);
        makeOld();
    }

    /// <summary>The exception that simulates a kill; no code catches it.</summary>
    internal sealed class Killed : Exception;
}
