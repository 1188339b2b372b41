using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>The mixture of experts of a block.</summary>
internal sealed record ExpertSpec
{
    /// <summary>Experts.</summary>
    public required int Count { get; init; }

    /// <summary>Size of an expert's hidden layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The router.</summary>
    public required RouterSpec Router { get; init; }

    /// <summary>The factor of the load-balancing loss that is added to a language model's; 0 for none.</summary>
    public float BalanceFactor { get; init; }

    /// <summary>The router's name.</summary>
    public string RouterName { get; init; } = "gate";

    /// <summary>Size of the hidden layer of the MLP that every token passes; 0 without one.</summary>
    public int SharedSize { get; init; }

    /// <summary>The activation is gpt-oss's clamped SwiGLU, whose gates and ups alternate; the matrices are stored (in, out) and have
    /// biases.</summary>
    public bool IsGptOss { get; init; }

    /// <summary>The names of the tensors of weight files with one linear layer an expert; null if files hold the fused
    /// parameters.</summary>
    public ExpertNames? FileNames { get; init; }

    /// <summary>The tensors of which a weight file makes the parameter at a path; null if it has the parameter itself.</summary>
    /// <param name="path">The parameter's path, such as "model.layers.0.mlp.experts.gate_up_proj".</param>
    public IReadOnlyList<WeightPiece>? PiecesOf(string path) => FileNames?.PiecesOf(path, Count);
}

/// <summary>The names of tensors in files of transformers 4, which version 5 reads and writes too: one linear layer an expert.</summary>
/// <param name="Mlp">The name of the MLP there.</param>
/// <param name="Gate">The gate projection of an expert.</param>
/// <param name="Up">The up projection of an expert.</param>
/// <param name="Down">The down projection of an expert.</param>
internal sealed record ExpertNames(string Mlp, string Gate, string Up, string Down)
{
    private const string Module = ".mlp.", GateUpPath = "experts.gate_up_proj", DownPath = "experts.down_proj";

    /// <summary>See <see cref="ExpertSpec.PiecesOf"/>.</summary>
    public IReadOnlyList<WeightPiece>? PiecesOf(string path, int experts)
    {
        int at = path.IndexOf(Module, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }
        string block = path[..(at + 1)] + Mlp, rest = path[(at + Module.Length)..];
        return rest switch
        {
            GateUpPath => [.. Enumerable.Range(0, experts).SelectMany(e => (WeightPiece[])
                [new($"{block}.experts.{e}.{Gate}.weight", 2L * e, 2 * experts),
                    new($"{block}.experts.{e}.{Up}.weight", 2L * e + 1, 2 * experts)])],
            DownPath => [.. Enumerable.Range(0, experts).Select(e => new WeightPiece($"{block}.experts.{e}.{Down}.weight", e, experts))],
            _ when Mlp != "mlp" => [new($"{block}.{rest}", 0, 1)],
            _ => null,
        };
    }
}
