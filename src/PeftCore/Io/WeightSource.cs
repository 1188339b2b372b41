using System.Diagnostics.CodeAnalysis;

namespace PeftCore.Io;

/// <summary>The weights of a model by name, from one safetensors file, from shards with an index, or from a GGUF file.</summary>
public sealed class WeightSource : IDisposable
{
    private readonly TensorFile[] _files;
    private readonly Dictionary<string, WeightEntry> _entries;

    private WeightSource(string place, TensorFile[] files, Dictionary<string, WeightEntry> entries, IReadOnlyList<string> warnings) =>
        (Place, _files, _entries, Warnings) = (place, files, entries, warnings);

    /// <summary>The file or the index.</summary>
    internal string Place { get; }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>The opened files.</summary>
    internal IReadOnlyList<TensorFile> Files => _files;

    /// <summary>Number of files.</summary>
    public int FileCount => _files.Length;

    /// <summary>Warnings about the files.</summary>
    internal IReadOnlyList<string> Warnings { get; }

    /// <summary>Bytes of all tensors in the files.</summary>
    public long TotalBytes => _files.Sum(f => f.DataLength);

    /// <summary>Opens one safetensors file.</summary>
    public static WeightSource OpenFile(string path) => OpenFile(path, []);

    /// <summary>Opens an index (model.safetensors.index.json) and every shard it names. If the shards differ from the index, tensors are
    /// read from the shards, as in Hugging Face transformers, with <see cref="Warnings"/>.</summary>
    internal static WeightSource OpenIndex(string path)
    {
        var shardOf = ShardIndex.Read(path);
        var files = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (string shard in shardOf.Values.Distinct().Order(StringComparer.Ordinal))
            {
                files.Add(shard, OpenShard(path, shard));
            }

            var match = new ShardMatch(path, shardOf, files);
            return new WeightSource(path, [.. files.Values], match.Entries, match.Warnings);
        }
        catch
        {
            foreach (var file in files.Values)
            {
                file.Dispose();
            }

            throw;
        }
    }

    /// <summary>Looks up a tensor by name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out WeightEntry? entry) => _entries.TryGetValue(name, out entry);

    /// <summary>Looks up a tensor that must exist.</summary>
    /// <exception cref="BadInputException">There is no tensor of that name.</exception>
    public WeightEntry Get(string name) =>
        TryGet(name, out var entry) ? entry : throw new BadInputException($"{Place}: the tensor \"{name}\" is missing.");

    /// <summary>Closes all files. Spans taken from them must not be used any more.</summary>
    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }

    internal static WeightSource OpenFile(string path, IReadOnlyList<string> warnings) => Of(SafetensorsFile.Open(path), warnings);

    /// <summary>The tensors of one open file.</summary>
    internal static WeightSource Of(TensorFile file, IReadOnlyList<string> warnings)
    {
        var entries = file.Entries.Values.ToDictionary(e => e.Name, e => new WeightEntry(file, e), StringComparer.Ordinal);
        return new WeightSource(file.Path, [file], entries, warnings);
    }

    private static SafetensorsFile OpenShard(string index, string shard)
    {
        return PendingFiles.Find(Path.Combine(PendingFiles.Home(index), shard)) is { } path ? SafetensorsFile.Open(path)
            : throw new BadInputException($"{index}: the shard {shard} it names is missing; copy the whole model directory.");
    }
}
