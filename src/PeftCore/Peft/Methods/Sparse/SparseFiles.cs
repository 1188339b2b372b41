using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.Sparse;

/// <summary>How one layer's entries stand in a file: their values (n) F32, and the gaps between their places.</summary>
internal static class SparseFiles
{
    public const string Values = "sparse_values";
    private const string Gaps = "sparse_gaps";

    /// <summary>The entries of a layer in the file an adapter is read from; none if the file has none for it.</summary>
    public static int[] StoredEntries(AttachContext context, string path, Linear layer) =>
        context.StoredShape(Key(path, Values)) is [var count] ? Decode(context.Stored!.Get(Key(path, Gaps)), count, layer) : [];

    public static SavedEntry Entry(string path, SparseAdapter adapter) => new(Key(path, Gaps), () =>
        {
            byte[] bytes = EntryGaps.Encode(adapter.Places);
            return new SafetensorsTensor(Key(path, Gaps), "U8", [bytes.Length], bytes);
        },
        entry => Decode(entry, adapter.Places.Length, adapter.Layer),
        entry => adapter.Move(Decode(entry, adapter.Places.Length, adapter.Layer)));

    private static string Key(string path, string name) => AdapterParameter.Prefix + path + "." + name;

    private static int[] Decode(WeightEntry entry, long count, Linear layer) =>
        (entry.DType == "U8" ? EntryGaps.Decode(entry.Bytes, count, layer.Weight.Shape.Count) : null)
        ?? throw entry.Error($"does not describe the places of {count} entries in a weight of {layer.Weight.Shape}");
}
