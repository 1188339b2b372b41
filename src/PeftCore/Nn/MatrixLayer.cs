using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A layer that multiplies rows with a weight matrix: y = r·Wᵀ + b. The rows of a linear layer are those of x, the rows of a
/// convolution are the patches of x. Adapters that change a weight matrix attach to both through this class.</summary>
public abstract class MatrixLayer : Layer
{
    private protected MatrixLayer(int inputs, bool transposed) => (Inputs, Transposed) = (inputs, transposed);

    /// <summary>Columns of the rows: those of x, or the channels of a convolution times the positions of its kernel.</summary>
    public int Inputs { get; }

    /// <summary>Columns of y.</summary>
    public int Outputs => Transposed ? Weight.Shape[1] : Weight.Shape[0];

    /// <summary>Whether the weight is stored (in, out): "fan_in_fan_out".</summary>
    public bool Transposed { get; private protected set; }

    /// <summary>The weight: a matrix, or (out, channels, kernel height, kernel width) of a convolution.</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <summary>The bias; null without one.</summary>
    public Parameter? Bias => OwnParameter("bias");

    /// <summary>The weight as a matrix, (out, in), or (in, out) if transposed.</summary>
    internal Tensor Matrix => MatrixOf(Weight.Value);

    /// <summary>Columns of x: the channels of a convolution.</summary>
    internal virtual int Channels => Inputs;

    /// <summary>Why adapters cannot attach to this layer; null if they can.</summary>
    internal virtual string? AdapterProblem => null;

    /// <summary>A tensor of the weight's form as a matrix: a view with the same gradient.</summary>
    internal static Tensor MatrixOf(Tensor weight) =>
        weight.Shape.Rank == 2 ? weight : weight.Reshape([weight.Shape[0], (int)(weight.Count / weight.Shape[0])]);

    /// <summary>The rows that the weight multiplies: x itself, or its patches.</summary>
    /// <param name="x">(…, channels)</param>
    /// <returns>(…, in)</returns>
    internal virtual Tensor Rows(Tensor x) => x;

    /// <summary>y for given rows, (…, in) to (…, out).</summary>
    internal Tensor OfRows(Tensor rows) => rows.Linear(Matrix, Bias?.Value, Transposed);

    /// <summary>y = r·Wᵀ + b with low-rank updates, without forming ΔW.</summary>
    /// <param name="x">(…, channels)</param>
    /// <param name="bias">(out), or null.</param>
    /// <param name="updates">The updates.</param>
    internal abstract Tensor WithUpdates(Tensor x, Tensor? bias, params ReadOnlySpan<LowRankUpdate> updates);

    /// <summary>r·Mᵀ with another matrix, (n, in): (…, channels) to (…, n).</summary>
    internal abstract Tensor Project(Tensor x, Tensor matrix);

    /// <summary>The shape of a parameter of <paramref name="rank"/> rows that multiplies what the weight multiplies: (r, in), or a kernel
    /// of r outputs.</summary>
    internal virtual Shape ShapeOfDown(int rank) => [rank, Inputs];

    /// <summary>The shape of a parameter that maps <paramref name="rank"/> columns to the outputs: (out, r), or a 1 × 1 kernel.</summary>
    internal virtual Shape ShapeOfUp(int rank) => [Outputs, rank];

    /// <summary>The shape of a magnitude of each output.</summary>
    internal virtual Shape ShapeOfMagnitude => [Outputs];
}
