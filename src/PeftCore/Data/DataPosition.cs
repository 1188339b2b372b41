namespace PeftCore.Data;

/// <summary>How far a run has come in its data: the next batch to be drawn.</summary>
/// <param name="Epoch">The pass over the data, counted from zero.</param>
/// <param name="Batch">The batch in that pass, counted from zero.</param>
public readonly record struct DataPosition(int Epoch, int Batch);
