namespace PeftCore.Models;

/// <summary>Modules of blocks that transformers renamed from one version to the next: files and adapters have either names. Paths in the
/// model are the new ones; files are written with the old ones, as transformers does, and adapters with the new ones, as Hugging Face PEFT
/// does.</summary>
/// <param name="OldList">The list of blocks before.</param>
/// <param name="NewList">The list of blocks now.</param>
/// <param name="Inside">Modules of a block, before and now, by paths in the block.</param>
internal sealed record RenamedModules(string OldList, string NewList, IReadOnlyList<(string Old, string New)> Inside)
{
    /// <summary>The old name of a path or of a key that begins with one.</summary>
    public string ToOld(string path) => Translate(path, NewList, OldList, Inside.Select(row => (row.New, row.Old)));

    /// <summary>The new name of a path or of a key that has an old one in it.</summary>
    public string ToNew(string path) => Translate(path, OldList, NewList, Inside);

    /// <summary>The new names for the end of an old path, such as "query"; the name itself if no old path ends in it.</summary>
    public IEnumerable<string> EndsOf(string name)
    {
        if (ToNew(name) is var path && path != name)
        {
            return [path];
        }
        var ends = Inside.Where(row => row.Old == name || row.Old.EndsWith("." + name, StringComparison.Ordinal))
            .Select(row => row.New).ToList();
        return ends.Count > 0 ? ends : [name];
    }

    private static string Translate(string path, string from, string to, IEnumerable<(string From, string To)> inside)
    {
        int list = path.StartsWith(from + ".", StringComparison.Ordinal) ? 0
            : path.IndexOf("." + from + ".", StringComparison.Ordinal) + 1;
        if (list == 0 && !path.StartsWith(from + ".", StringComparison.Ordinal))
        {
            return path;
        }
        int number = list + from.Length + 1, dot = path.IndexOf('.', number);
        if (!NumberText.TryDigits(dot < 0 ? path[number..] : path[number..dot], out _))
        {
            return path;
        }
        string start = path[..list] + to + "." + (dot < 0 ? path[number..] : path[number..dot]);
        string rest = dot < 0 ? "" : path[(dot + 1)..];
        foreach (var (old, now) in inside)
        {
            if (rest == old || rest.StartsWith(old + ".", StringComparison.Ordinal))
            {
                rest = now + rest[old.Length..];
                break;
            }
        }
        return dot < 0 ? start : start + "." + rest;
    }
}
