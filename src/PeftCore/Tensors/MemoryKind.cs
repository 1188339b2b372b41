namespace PeftCore.Tensors;

/// <summary>The accounting category of memory. Plans and reports sum bytes by category.</summary>
public enum MemoryKind
{
    /// <summary>Outputs of ops and tensors saved for backward.</summary>
    Activation,

    /// <summary>Frozen parameters of the base model.</summary>
    Frozen,

    /// <summary>Trained parameters.</summary>
    Trainable,

    /// <summary>Gradients of trained parameters.</summary>
    Gradient,

    /// <summary>State of an optimizer, such as moments.</summary>
    Optimizer,

    /// <summary>Temporary memory that an op frees before it returns.</summary>
    Workspace,

    /// <summary>The KV cache of generation.</summary>
    Cache,
}
