using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A table with one row per token or position.</summary>
public sealed class Embedding : Layer
{
    /// <summary>Declares the table.</summary>
    public Embedding(int rows, int columns) : this(rows, columns, paddingRow: null)
    {
    }

    /// <summary>Declares a table in which the row of the padding token is a constant: PyTorch's padding_idx.</summary>
    internal Embedding(int rows, int columns, int? paddingRow)
    {
        PaddingRow = paddingRow;
        Add("weight", new Parameter([rows, columns]));
    }

    /// <summary>The table, (rows, columns).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <summary>The row whose gradient is zero; null for none.</summary>
    internal int? PaddingRow { get; }

    private protected override bool TakesRows => true;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => Weight.Value.Rows(x, PaddingRow);
}
