namespace PeftCore.Tensors;

/// <summary>What a piece of memory is for. Plans and reports add up bytes by kind.</summary>
public enum MemoryKind
{
    /// <summary>Outputs of ops, and what backward keeps of them.</summary>
    Activation,

    /// <summary>Parameters of the base model that do not train.</summary>
    Frozen,

    /// <summary>Parameters that train.</summary>
    Trainable,

    /// <summary>Gradients of parameters that train.</summary>
    Gradient,

    /// <summary>Moments and other state of an optimizer.</summary>
    Optimizer,

    /// <summary>Scratch memory that an op gives back before it returns.</summary>
    Workspace,

    /// <summary>Keys and values kept for generation.</summary>
    Cache,
}
