using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.Sparse;

/// <summary>The entries of one layer in a file: their values, F32 (n), and their indices as <see cref="EntryGaps"/>, U8.</summary>
internal static class SparseFiles
{
    public const string Values = "sparse_values";
    private const string Gaps = "sparse_gaps";

    /// <summary>Indices of a layer's entries in the file an adapter is read from; empty if the file has none.</summary>
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
        (entry.DType == "U8" ? EntryGaps.Decode(entry.View, count, layer.Weight.Shape.Count) : null)
        ?? throw entry.Error($"does not describe the places of {count} entries in a weight of {layer.Weight.Shape}");
}
