namespace PeftCore.Data;

/// <summary>The position of a run in its data: the next batch to draw.</summary>
/// <param name="Epoch">The pass over the data, from 0.</param>
/// <param name="Batch">The batch in that pass, from 0.</param>
internal readonly record struct DataPosition(int Epoch, int Batch);
