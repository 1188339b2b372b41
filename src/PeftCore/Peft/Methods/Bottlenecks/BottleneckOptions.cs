namespace PeftCore.Peft.Bottlenecks;

/// <summary>Initialisation of a bottleneck's projections.</summary>
public enum BottleneckInit
{
    /// <summary>Normal with deviation 0.02, biases zero.</summary>
    Bert,

    /// <summary>Down projection Kaiming-uniform, up projection zero: the adapter is the identity at the start (He et al. 2022).</summary>
    MamAdapter,

    /// <summary>Normal with deviation 0.01, truncated at two deviations, biases zero (Houlsby et al. 2019).</summary>
    Houlsby,
}

/// <summary>The factor of a bottleneck's output.</summary>
public enum BottleneckScaling
{
    /// <summary>A constant.</summary>
    Constant,

    /// <summary>A trained number, 1 at the start.</summary>
    Learned,

    /// <summary>A trained number for each column, 1 at the start.</summary>
    Channel,
}

/// <summary>The residual that is added to the output of a sequential bottleneck.</summary>
public enum BottleneckResidual
{
    /// <summary>The sublayer's output.</summary>
    BeforeNorm,

    /// <summary>The bottleneck's input.</summary>
    AfterNorm,

    /// <summary>The sum of the stream and the sublayer's output.</summary>
    PostAdd,
}
