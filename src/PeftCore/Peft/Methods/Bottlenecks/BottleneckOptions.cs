namespace PeftCore.Peft.Bottlenecks;

/// <summary>How the maps of a bottleneck start.</summary>
public enum BottleneckInit
{
    /// <summary>Normal with deviation 0.02, biases zero.</summary>
    Bert,

    /// <summary>The map down Kaiming-uniform, the map up zero: the adapter starts as the identity (He et al. 2022).</summary>
    MamAdapter,

    /// <summary>Normal with deviation 0.01, cut at two deviations, biases zero (Houlsby et al. 2019).</summary>
    Houlsby,
}

/// <summary>What the output of a bottleneck is multiplied by.</summary>
public enum BottleneckScaling
{
    /// <summary>A constant.</summary>
    Constant,

    /// <summary>A number that trains, 1 at first.</summary>
    Learned,

    /// <summary>A number for each column that trains, 1 at first.</summary>
    Channel,
}

/// <summary>What is added around a sequential bottleneck.</summary>
public enum BottleneckResidual
{
    /// <summary>The sublayer's output.</summary>
    BeforeNorm,

    /// <summary>The bottleneck's input.</summary>
    AfterNorm,

    /// <summary>The sum of the stream and the sublayer's output.</summary>
    PostAdd,
}
