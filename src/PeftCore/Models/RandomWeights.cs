using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Random initial weights: matrices normal with deviation 0.02, norms, gains and factors of columns one, biases zero.
/// A parameter that is not F32 is drawn in pieces, so that no F32 copy of it is in memory as a whole; the values do not depend on the
/// pieces.</summary>
/// <param name="backend">The device.</param>
/// <param name="dtype">Dtype of the parameters.</param>
/// <param name="seed">Seed of the values.</param>
internal sealed class RandomWeights(Backend backend, DType dtype, ulong seed)
{
    private const float Deviation = 0.02f;

    // Twice the bound of uniform numbers is a power of two, as a GPU needs to draw them (their deviation is 0.018).
    private const float Bound = 1f / 32;

    /// <summary>Gives a parameter memory and values, drawn from a stream of random numbers.</summary>
    public void Fill(string path, Parameter parameter, ulong stream)
    {
        Fill(path, parameter.Materialize(backend, dtype), stream);
    }

    /// <summary>Fills the values of a parameter.</summary>
    public void Fill(string path, Tensor value, ulong stream)
    {
        if (value.Shape.Rank > 1 && !WeightNormConvolution.IsGain(path))
        {
            Draw(value, (piece, first) => backend.FillNormal(piece, 0, Deviation, seed, stream, first));
        }
        else if (value.Shape.Rank > 1 || path.EndsWith("weight", StringComparison.Ordinal) || path.EndsWith(LayerScale.Factors,
            StringComparison.Ordinal))
        {
            Draw(value, (piece, _) => backend.Fill(piece, 1));
        }
        else
        {
            backend.Zero(value);
        }
    }

    /// <summary>Fills a matrix that will be quantised: uniform in ±1/32, because a GPU draws such numbers itself, bit by bit as the CPU
    /// does, where normal ones come from the host. Models of 70B parameters start in half a minute so.</summary>
    public void FillToQuantize(Tensor value, ulong stream)
    {
        Draw(value, (piece, first) => backend.FillUniform(piece, -Bound, Bound, seed, stream, first));
    }

    private void Draw(Tensor value, Action<Tensor, long> draw)
    {
        if (dtype == DType.F32)
        {
            draw(value, 0);
            return;
        }
        using var staging = backend.NewTensor([(int)Math.Min(PieceReader.Elements, value.Count)], DType.F32, MemoryKind.Workspace);
        foreach (var (first, piece) in value.Chunks(PieceReader.Elements))
        {
            using var drawn = staging.Unscoped(piece.Shape);
            draw(drawn, first);
            backend.Cast(drawn, piece);
        }
    }
}
