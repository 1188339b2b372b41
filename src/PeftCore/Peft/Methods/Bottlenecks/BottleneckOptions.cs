namespace PeftCore.Peft.Bottlenecks;

/// <summary>Initialisation of a bottleneck's projections.</summary>
internal enum BottleneckInit
{
    /// <summary>Normal with standard deviation 0.02, biases zero.</summary>
    Bert,

    /// <summary>Down projection Kaiming-uniform, up projection zero: the adapter is the identity at the start (He et al. 2022).</summary>
    MamAdapter,

    /// <summary>Normal with standard deviation 0.01, truncated at two standard deviations, biases zero (Houlsby et al. 2019).</summary>
    Houlsby,
}

/// <summary>The factor of a bottleneck's output.</summary>
public enum BottleneckScaling
{
    /// <summary>A constant.</summary>
    Constant,

    /// <summary>A trained scalar, initially 1.</summary>
    Learned,

    /// <summary>A trained factor per column, initially 1.</summary>
    Channel,
}

/// <summary>The residual that is added to the output of a sequential bottleneck.</summary>
internal enum BottleneckResidual
{
    /// <summary>The sublayer's output.</summary>
    BeforeNorm,

    /// <summary>The bottleneck's input.</summary>
    AfterNorm,

    /// <summary>The sum of the stream and the sublayer's output.</summary>
    PostAdd,
}
