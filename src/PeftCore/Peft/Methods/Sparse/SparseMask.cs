using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.Sparse;

/// <summary>Chosen entries of weights: for each module path the flat indices of its entries, in the weight's own layout and
/// sorted.</summary>
public sealed class SparseMask
{
    private const string Suffix = ".mask";

    private readonly Dictionary<string, int[]> _entries;

    /// <summary>A mask of the entries of each module path. Modules without entries are omitted.</summary>
    internal SparseMask(IEnumerable<KeyValuePair<string, int[]>> entries) =>
        _entries = entries.Where(pair => pair.Value.Length > 0).ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);

    /// <summary>Paths of the modules with entries.</summary>
    internal IReadOnlyCollection<string> Paths => _entries.Keys;

    /// <summary>The number of entries of all modules.</summary>
    public long Count => _entries.Values.Sum(entries => (long)entries.Length);

    /// <summary>The entries of a module; empty if it has none.</summary>
    internal IReadOnlyList<int> Of(string path) => Entries(path);

    /// <summary>Writes one I32 tensor per module.</summary>
    public void Save(string path) => SafetensorsWriter.Write(path, _entries.OrderBy(pair => pair.Key, StringComparer.Ordinal)
        .Select(pair => SafetensorsTensor.Of(pair.Key + Suffix, "I32", [pair.Value.Length], pair.Value)));

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="BadInputException">The file is damaged or holds something else.</exception>
    public static SparseMask Load(string path)
    {
        AtomicDirectory.Recover(Path.GetDirectoryName(Path.GetFullPath(path))!);
        using var source = WeightSource.OpenFile(PendingFiles.Find(path) ?? path);
        return new SparseMask(source.Names.Select(name => KeyValuePair.Create(
            name.EndsWith(Suffix, StringComparison.Ordinal) ? name[..^Suffix.Length] : throw source.Get(name)
            .Error("is no mask of a module"), Read(source.Get(name)))));
    }

    /// <exception cref="BadInputException">A flat index of the weight does not fit in 32 bits.</exception>
    internal static void RefuseTooLarge(string path, Linear layer)
    {
        if (layer.Weight.Shape.Count > int.MaxValue)
        {
            throw new BadInputException($"\"{path}\" has {layer.Weight.Shape.Count} weights, but the entries of a mask are numbered up " +
                $"to {int.MaxValue}; leave the layer out of the targets");
        }
    }

    internal int[] Entries(string path) => _entries.GetValueOrDefault(path, []);

    private static int[] Read(WeightEntry entry)
    {
        if (entry.DType != "I32" || entry.Shape.Length != 1)
        {
            throw entry.Error("is no mask: expected I32 with one axis");
        }
        int[] entries = entry.ToArray<int>();
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i] < 0 || (i > 0 && entries[i] <= entries[i - 1]))
            {
                throw entry.Error("is no mask: the places must rise from 0");
            }
        }
        return entries;
    }
}
