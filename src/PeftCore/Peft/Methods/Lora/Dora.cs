using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>DoRA, weight-decomposed LoRA (Liu et al. 2024, equation 5): y = m/‖W + ΔW‖·(x·(W + ΔW)ᵀ) + b, with one magnitude m and one norm
/// per output. The norm is a constant in backward (section 4.3), and it is computed without forming ΔW: ‖w + s·b·A‖² = ‖w‖² + 2s·b·(A·w) +
/// s²·b·(A·Aᵀ)·bᵀ for each row w of W and b of B. An embedding is treated as a linear layer on one-hot tokens whose weight is the
/// transposed table.</summary>
internal sealed class Dora(Layer layer, Parameter magnitude)
{
    private readonly int _outputs = layer is MatrixLayer matrix ? matrix.Outputs : layer.OwnParameter("weight")!.Shape.Columns;
    private readonly int _inputs = layer is MatrixLayer matrix ? matrix.Inputs : layer.OwnParameter("weight")!.Shape.Rows;
    private readonly bool _transposed = layer is not MatrixLayer { Transposed: false };
    private Tensor? _baseNorms;
    private Tensor? _normsOf;

    /// <summary>m, (out), or (1, out, 1, 1) of a convolution.</summary>
    public Parameter Magnitude => magnitude;

    private Tensor Weight => layer is MatrixLayer matrix ? matrix.Matrix : layer.OwnParameter("weight")!.Value;

    /// <summary>m/‖W + ΔW‖, (out).</summary>
    public Tensor Ratio(ReadOnlySpan<LowRankUpdate> updates) => magnitude.Value.Reshape([_outputs]) * InverseNorms(updates);

    /// <summary>The output of a linear layer or a convolution. With dropout it is x·Wᵀ + b + m/‖W + ΔW‖·(d·(W + ΔW)ᵀ) − d·Wᵀ with
    /// d = dropout(x), as Hugging Face PEFT computes it.</summary>
    public Tensor Forward(Tensor x, ReadOnlySpan<LowRankUpdate> updates, DropoutKey dropout)
    {
        using var scope = new TensorScope();
        var linear = (MatrixLayer)layer; // Embeddings have their own forward pass: LoraEmbeddingLayer.
        var ratio = Ratio(updates);
        if (!dropout.Active)
        {
            var y = linear.WithUpdates(x, null, updates).MultiplyRow(ratio);
            return scope.Return(layer.OwnParameter("bias") is { } bias ? y.AddRow(bias.Value) : y);
        }
        var dropped = x.Dropout(dropout);
        var change = linear.WithUpdates(dropped, null, updates).MultiplyRow(ratio) - linear.WithUpdates(dropped, null);
        return scope.Return(layer.Compute(x) + change);
    }

    /// <summary>Sets m to the norms of W + ΔW, so that the adapter starts as the identity.</summary>
    public void Initialize(ReadOnlySpan<LowRankUpdate> updates)
    {
        using var scope = new TensorScope();
        var squares = SquaredNorms(updates);
        var inverse = squares.NewLike(squares.Shape);
        squares.Backend.Map<InverseSqrt>(squares, inverse);
        squares.Backend.Multiply(squares, inverse, magnitude.Value, false);
    }

    /// <summary>Merges m/‖W + ΔW‖·(W + ΔW). Where other adapters were merged into the weight, adds the difference to the plain weight
    /// instead.</summary>
    /// <param name="weight">The weight to merge into.</param>
    /// <param name="plain">A copy of the base weight, which is overwritten; null if nothing was merged before.</param>
    /// <param name="addDelta">Adds ΔW to a weight.</param>
    public void Merge(Tensor weight, Tensor? plain, Action<Tensor> addDelta)
    {
        if (plain is null)
        {
            addDelta(weight);
            ScaleToMagnitude(weight);
            return;
        }
        weight.Backend.Scale(plain, -1, weight, accumulate: true);
        addDelta(plain);
        ScaleToMagnitude(plain);
        weight.Backend.Add(weight, plain, weight);
    }

    /// <summary>weight = m/‖weight‖·weight, output by output.</summary>
    private void ScaleToMagnitude(Tensor weight)
    {
        using var scope = new TensorScope();
        var backend = weight.Backend;
        var squares = Squares(weight);
        var ratio = squares.NewLike(squares.Shape);
        backend.Map<InverseSqrt>(squares, ratio);
        backend.Multiply(ratio, magnitude.Value, ratio, false);
        if (_transposed)
        {
            backend.MultiplyRow(weight, ratio, weight, false);
        }
        else
        {
            backend.MultiplyColumn(weight, ratio, weight, false);
        }
    }

    public void Free() => _baseNorms?.Dispose();

    private Tensor InverseNorms(ReadOnlySpan<LowRankUpdate> updates)
    {
        var squares = SquaredNorms(updates);
        squares.Backend.Map<InverseSqrt>(squares, squares);
        return squares;
    }

    /// <summary>‖w + Σ s·b·A‖² (out), several updates are concatenated to one of the summed rank.</summary>
    private Tensor SquaredNorms(ReadOnlySpan<LowRankUpdate> updates)
    {
        var squares = magnitude.Value.NewLike([_outputs]);
        using var scope = new TensorScope();
        var backend = squares.Backend;
        var (a, b) = Joined(updates);
        int r = a.Shape[0];
        var aw = DotsWithWeight(a);
        var gram = squares.NewLike([r, r]);
        backend.MatMul(a, false, a, true, gram);
        backend.Copy(BaseNorms(), squares);
        // 2·b·(A·w) + b·(A·Aᵀ)·bᵀ = b·(2·A·w + A·Aᵀ·bᵀ)
        backend.Scale(aw, 2, aw, false);
        backend.MatMul(b, false, gram, false, aw, 1, accumulate: true);
        backend.RowDots(b, aw, squares, accumulate: true);
        return squares;
    }

    /// <summary>W·Aᵀ (out, r). A quantised W is the right factor of A·Wᵀ, since devices read it there.</summary>
    private Tensor DotsWithWeight(Tensor a)
    {
        var weight = Weight;
        int r = a.Shape[0];
        if (!weight.IsQuantized)
        {
            var aw = a.NewLike([_outputs, r]);
            a.Backend.MatMul(weight, _transposed, a, true, aw);
            return aw;
        }
        var wa = a.NewLike([r, _outputs]);
        a.Backend.DequantizedProduct(new GemmOperands(a, false, weight, true), wa);
        return wa.Transpose();
    }

    /// <summary>A (Σr, in) and s·B (out, Σr).</summary>
    private (Tensor A, Tensor B) Joined(ReadOnlySpan<LowRankUpdate> updates)
    {
        int rank = 0;
        foreach (var update in updates)
        {
            rank += update.A.Shape[0];
        }
        var a = magnitude.Value.NewLike([rank, _inputs]);
        var b = magnitude.Value.NewLike([_outputs, rank]);
        int at = 0;
        foreach (var update in updates)
        {
            int r = update.A.Shape[0];
            a.Backend.Copy(update.A, a.View(update.A.Shape, (long)at * _inputs));
            var scaled = update.B.NewLike(update.B.Shape);
            b.Backend.Scale(update.B, update.Scale, scaled, false);
            b.Backend.CopyColumns(scaled, 0, b, at, r, false);
            at += r;
        }
        return (a, b);
    }

    /// <summary>‖w‖² (out) of the frozen weight, computed once, and recomputed if the weight was replaced.</summary>
    private Tensor BaseNorms()
    {
        var stored = layer.OwnParameter("weight")!.Value;
        if (_baseNorms is null || !ReferenceEquals(_normsOf, stored))
        {
            _baseNorms?.Dispose();
            _normsOf = stored;
            var weight = Weight;
            var wide = weight.NewLike(weight.Shape, kind: MemoryKind.Workspace);
            wide.Backend.Cast(weight, wide);
            var squares = Squares(wide);
            squares.Storage.Recategorize(MemoryKind.Frozen);
            _baseNorms = squares.Keep();
        }
        return _baseNorms;
    }

    /// <summary>‖w‖² (out) of a weight.</summary>
    private Tensor Squares(Tensor weight)
    {
        var squares = weight.NewLike([_outputs]);
        if (_transposed)
        {
            weight.Backend.MultiplySumRows(weight, weight, squares, false);
        }
        else
        {
            weight.Backend.RowDots(weight, weight, squares, false);
        }
        return squares;
    }
}
