using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A table with one row per token or position.</summary>
public sealed class Embedding : Layer
{
    /// <summary>Declares the table.</summary>
    public Embedding(int rows, int columns) => Add("weight", new Parameter([rows, columns]));

    /// <summary>The table, (rows, columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    private protected override bool TakesRows => true;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => Weight.Value.Rows(x);
}
