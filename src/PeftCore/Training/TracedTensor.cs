using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A tensor of a traced op: an input, an output, or a value that its backward reads.</summary>
public sealed class TracedTensor
{
    internal TracedTensor(string name, Shape shape, DType dtype, int memory) => (Name, Shape, DType, Memory) = (name, shape, dtype, memory);

    /// <summary>Its symbol in the op's equation if it is saved or recomputed, such as "x" or "rstd"; otherwise its place, such as
    /// "input 0".</summary>
    public string Name { get; }

    /// <summary>Its shape.</summary>
    public Shape Shape { get; }

    /// <summary>Its dtype.</summary>
    public DType DType { get; }

    /// <summary>Allocated bytes. Of a saved tensor 0 if an op saved the same memory before; of a recomputed value the bytes of the buffer
    /// that it takes during backward, counted at its first reader.</summary>
    public long Bytes { get; internal set; }

    /// <summary>A number of its memory: equal for tensors that share memory. −1 for a recomputed value.</summary>
    public int Memory { get; }

    /// <summary>Number of the op that computed it, or that recomputes it; null for a parameter and for data.</summary>
    public int? Op { get; internal init; }

    /// <summary>Name of the parameter whose memory it is; null if it is none.</summary>
    public string? Parameter { get; internal init; }

    /// <summary>Whether backward computes its gradient.</summary>
    public bool NeedsGrad { get; internal init; }

    /// <summary>Why it is saved or recomputed, such as "needed for dA = hᵀ·x; shared by q_proj, k_proj and v_proj"; empty for inputs and
    /// outputs.</summary>
    public string Reason { get; internal set; } = "";

    /// <summary>The equations of the op's gradient rule that read it.</summary>
    internal string Equation { get; init; } = "";
}
