namespace PeftCore.Io;

/// <summary>Finds each tensor of a sharded model. The index decides if the shard it names holds the tensor; other tensors are looked up in
/// all shards, because Hugging Face transformers reads all tensors of all shards, whatever the index says.</summary>
internal sealed class ShardMatch
{
    private readonly string _index;
    private readonly Dictionary<string, List<(string Shard, WeightEntry Entry)>> _places = new(StringComparer.Ordinal);
    private readonly List<string> _warnings = [];

    /// <param name="index">The path of the index, for messages.</param>
    /// <param name="shardOf">The shard the index names for each tensor.</param>
    /// <param name="files">The opened shards.</param>
    /// <exception cref="BadInputException">A tensor is in no shard, or two shards hold different values and the index does not
    /// choose.</exception>
    public ShardMatch(string index, Dictionary<string, string> shardOf, Dictionary<string, SafetensorsFile> files)
    {
        _index = index;
        foreach ((string shard, var file) in files)
        {
            foreach (var entry in file.Entries.Values)
            {
                var place = (shard, new WeightEntry(file, entry, isListed: shardOf.ContainsKey(entry.Name)));
                if (!_places.TryAdd(entry.Name, [place]))
                {
                    _places[entry.Name].Add(place);
                }
            }
        }
        var moved = Listed(shardOf);
        var unlisted = Unlisted();
        Warn(moved, "lie in another shard than the index says, and are read from where they are");
        Warn(unlisted, "are not in the index, and are read where the model has a place for them");
    }

    /// <summary>The tensors by name.</summary>
    public Dictionary<string, WeightEntry> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>Differences between index and shards.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    private List<string> Listed(Dictionary<string, string> shardOf)
    {
        var moved = new List<string>();
        foreach ((string name, string shard) in shardOf)
        {
            if (!_places.TryGetValue(name, out var places))
            {
                throw new BadInputException(
                    $"{_index}: tensor \"{name}\" is not in {shard}, where the index says it is, nor in another shard; " +
                    "copy the whole model directory.");
            }
            int named = places.FindIndex(place => place.Shard == shard);
            if (named < 0)
            {
                Entries.Add(name, Only(name, places));
                moved.Add($"\"{name}\" in {places[0].Shard} instead of {shard}");
                continue;
            }
            Entries.Add(name, places[named].Entry);
            if (places.Find(place => !place.Entry.IsCopyOf(places[named].Entry)) is { Shard: not null } other)
            {
                _warnings.Add($"{_index}: tensor \"{name}\" lies in {shard} and with other values in {other.Shard}; " +
                    $"the index names {shard}, which is read.");
            }
        }
        return moved;
    }

    private List<string> Unlisted()
    {
        var unlisted = new List<string>();
        foreach ((string name, var places) in _places.Where(place => !Entries.ContainsKey(place.Key)))
        {
            Entries.Add(name, Only(name, places));
            unlisted.Add($"\"{name}\" in {places[0].Shard}");
        }
        return unlisted;
    }

    /// <summary>A tensor that the index does not name: all shards that hold it must have equal values.</summary>
    private WeightEntry Only(string name, List<(string Shard, WeightEntry Entry)> places)
    {
        var other = places.Find(place => !place.Entry.IsCopyOf(places[0].Entry));
        return other.Shard is null ? places[0].Entry : throw new BadInputException(
            $"{_index}: tensor \"{name}\" has one value in {places[0].Shard} and another in {other.Shard}, and the index names neither; " +
            "remove one of them.");
    }

    private void Warn(List<string> tensors, string what)
    {
        if (tensors.Count > 0)
        {
            _warnings.Add($"{_index}: {tensors.Count} tensors {what}: " +
                $"{string.Join(", ", tensors.Take(3))}{(tensors.Count > 3 ? ", …" : "")}.");
        }
    }
}
