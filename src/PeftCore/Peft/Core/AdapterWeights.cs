using System.Diagnostics.CodeAnalysis;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>The tensors of an adapter's file by their normalized keys (<see cref="AdapterKeys"/>).</summary>
internal sealed class AdapterWeights : IDisposable
{
    private readonly WeightSource _source;
    private readonly OrderedDictionary<string, WeightEntry> _entries;

    private AdapterWeights(WeightSource source, OrderedDictionary<string, WeightEntry> entries) => (_source, _entries) = (source, entries);

    /// <summary>The file.</summary>
    public string Place => _source.Place;

    /// <summary>The keys.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>What the saved head learns, as the file says.</summary>
    public SavedLabels Labels => SavedLabels.Of(Place, _source.Files[0].Metadata);

    /// <summary>Upper bound of the number of elements: an element takes at least two bytes.</summary>
    public long MostElements => _entries.Values.Sum(entry => entry.Length) / 2;

    /// <summary>Gives tensors of modules that transformers renamed the keys of the new names.</summary>
    /// <exception cref="BadInputException">A tensor is in the file under both names.</exception>
    public void Rename(RenamedModules? renamed)
    {
        if (renamed is null)
        {
            return;
        }
        foreach (string key in _entries.Keys.ToArray())
        {
            string now = renamed.ToNew(key);
            int at = _entries.IndexOf(key);
            var entry = _entries.GetAt(at).Value;
            if (now == key)
            {
                continue;
            }
            _entries.RemoveAt(at);
            if (_entries.ContainsKey(now))
            {
                throw new BadInputException($"{Place}: \"{key}\" and \"{now}\" are the old and the new name of one tensor; keep one");
            }
            _entries.Insert(at, now, entry);
        }
    }

    /// <summary>Leaves out the tensors of modules that no output of the model depends on.</summary>
    /// <param name="model">The model.</param>
    /// <param name="warnings">Receives a sentence if there are any.</param>
    public void LeaveOutUnread(TransformerModel model, ICollection<string>? warnings)
    {
        var unread = _entries.Keys.Where(key => key.StartsWith(AdapterParameter.Prefix, StringComparison.Ordinal)
            && model.IsUnread(key[AdapterParameter.Prefix.Length..])).ToList();
        if (unread.Count == 0)
        {
            return;
        }
        warnings?.Add($"{Place}: left out {unread.Count} of {_entries.Count} tensors, such as \"{unread[0]}\": nothing that this model " +
            "computes depends on their modules");
        unread.ForEach(key => _entries.Remove(key));
    }

    /// <summary>Opens a file.</summary>
    /// <exception cref="BadInputException">The file is damaged, or its keys contradict each other.</exception>
    public static AdapterWeights Open(string path)
    {
        var source = WeightSource.OpenFile(path);
        try
        {
            var entries = new OrderedDictionary<string, WeightEntry>(StringComparer.Ordinal);
            foreach (var (key, stored) in AdapterKeys.Normalize(source.Place, source.Names))
            {
                var entry = source.Get(stored);
                if (!entries.TryAdd(key, entry) && !entries[key].HasSameElements(entry))
                {
                    throw new BadInputException(
                        $"{source.Place}: \"{entries[key].Name}\" and \"{stored}\" are the same tensor of an adapter, but differ; which " +
                        "one counts cannot be told: keep one");
                }
            }
            return new AdapterWeights(source, entries);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor; false if there is none of that key.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out WeightEntry? entry) => _entries.TryGetValue(key, out entry);

    /// <summary>Returns a tensor; throws if the file does not have it.</summary>
    public WeightEntry Get(string key) =>
        TryGet(key, out var entry) ? entry : throw new BadInputException($"{Place}: the tensor \"{key}\" is missing");

    /// <summary>The tensors as they are stored, with normalized keys.</summary>
    public IEnumerable<SafetensorsTensor> ToFile() =>
        _entries.Select(pair => pair.Value.ToFile(pair.Key));

    /// <summary>Warnings about values: F64 that is rounded to F32, NaN and infinity.</summary>
    public IEnumerable<string> Warnings()
    {
        var wide = _entries.Where(pair => pair.Value.DType == "F64").ToList();
        if (wide.Count > 0)
        {
            yield return $"{Place}: {wide.Count} of {_entries.Count} tensors are F64, such as \"{wide[0].Key}\"; they are rounded to F32";
        }
        var broken = _entries.Where(pair => !AdapterValues.AreFinite(pair.Value)).ToList();
        if (broken.Count > 0)
        {
            yield return $"{Place}: {broken.Count} of {_entries.Count} tensors hold NaN or infinity, such as \"{broken[0].Key}\"; what " +
                "the adapter computes will too";
        }
    }

    public void Dispose() => _source.Dispose();
}
