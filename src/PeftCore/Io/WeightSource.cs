using System.Diagnostics.CodeAnalysis;

namespace PeftCore.Io;

/// <summary>The weights of a model by name, whether they lie in one safetensors file or in shards behind an index.</summary>
public sealed class WeightSource : IDisposable
{
    private readonly SafetensorsFile[] _files;
    private readonly Dictionary<string, WeightEntry> _entries;

    private WeightSource(string place, SafetensorsFile[] files, Dictionary<string, WeightEntry> entries) =>
        (Place, _files, _entries) = (place, files, entries);

    /// <summary>The file or index the weights were opened from.</summary>
    public string Place { get; }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>The files the tensors lie in.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>How many bytes all tensors have together.</summary>
    public long TotalBytes => _files.Sum(f => f.DataLength);

    /// <summary>Opens one safetensors file.</summary>
    public static WeightSource OpenFile(string path)
    {
        var file = SafetensorsFile.Open(path);
        return new WeightSource(path, [file], file.Entries.Values.ToDictionary(e => e.Name, e => new WeightEntry(file, e), StringComparer.Ordinal));
    }

    /// <summary>Opens an index (model.safetensors.index.json) and every shard it names. The index and the shards must agree.</summary>
    public static WeightSource OpenIndex(string path)
    {
        Dictionary<string, string> shardOf = ShardIndex.Read(path);
        var files = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (string shard in shardOf.Values.Distinct().Order(StringComparer.Ordinal))
                files.Add(shard, OpenShard(path, shard));
            return new WeightSource(path, [.. files.Values], Match(path, shardOf, files));
        }
        catch
        {
            foreach (SafetensorsFile file in files.Values)
                file.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor; false if there is none of that name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out WeightEntry? entry) => _entries.TryGetValue(name, out entry);

    /// <summary>A tensor that must be there.</summary>
    /// <exception cref="BadInputException">There is no tensor of that name.</exception>
    public WeightEntry Get(string name) =>
        TryGet(name, out WeightEntry? entry) ? entry : throw new BadInputException($"{Place}: the tensor \"{name}\" is missing.");

    /// <summary>Closes all files. Spans taken from them must not be used any more.</summary>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
            file.Dispose();
    }

    private static SafetensorsFile OpenShard(string index, string shard)
    {
        string path = Path.Combine(Path.GetDirectoryName(index)!, shard);
        return File.Exists(path) ? SafetensorsFile.Open(path)
            : throw new BadInputException($"{index}: the shard {shard} it names is missing; copy the whole model directory.");
    }

    private static Dictionary<string, WeightEntry> Match(
        string path, Dictionary<string, string> shardOf, Dictionary<string, SafetensorsFile> files)
    {
        var entries = new Dictionary<string, WeightEntry>(shardOf.Count, StringComparer.Ordinal);
        foreach ((string name, string shard) in shardOf)
        {
            if (!files[shard].Entries.TryGetValue(name, out SafetensorsEntry? entry))
                throw new BadInputException($"{path}: tensor \"{name}\" is not in {shard}, where the index says it is.");
            entries.Add(name, new WeightEntry(files[shard], entry));
        }
        foreach ((string shard, SafetensorsFile file) in files)
            foreach (string name in file.Entries.Keys)
                if (!shardOf.TryGetValue(name, out string? home) || home != shard)
                    throw new BadInputException($"{path}: {shard} holds tensor \"{name}\", but the index "
                        + $"{(home is null ? "does not list it" : $"says it is in {home}")}; the index belongs to other files.");
        return entries;
    }
}
