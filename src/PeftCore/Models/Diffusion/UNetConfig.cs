using System.Text.Json;
using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Sizes and switches of a UNet, as config.json of diffusers' UNet2DConditionModel has them.</summary>
internal sealed record UNetConfig
{
    private const string MidBlockType = "mid_block_type";
    private const int MostChannels = 1 << 16, MostBlocks = 16, MostLayers = 64;

    /// <summary>Fields that change the result and have one supported value each.</summary>
    private static readonly (string Name, string Supported)[] Fixed =
    [
        ("dual_cross_attention", "false"), ("only_cross_attention", "false"), ("mid_block_only_cross_attention", "false"), ("mid_block_scale_factor", "1"),
        ("resnet_time_scale_shift", "\"default\""), ("time_embedding_type", "\"positional\""), ("attention_type", "\"default\""),
        (MidBlockType, "\"UNetMidBlock2DCrossAttn\""),
        ("addition_embed_type", "null"), ("encoder_hid_dim", "null"), ("encoder_hid_dim_type", "null"), ("time_cond_proj_dim", "null"),
        ("time_embedding_act_fn", "null"), ("timestep_post_act", "null"), ("cross_attention_norm", "null"),
        ("num_attention_heads", "null"), ("reverse_transformer_layers_per_block", "null"),
    ];

    /// <summary>Fields that only block types read which are not supported, with the value that has no effect.</summary>
    private static readonly (string Name, double Neutral)[] Unread = [("resnet_out_scale_factor", 1), ("resnet_skip_time_act", 0)];

    /// <summary>Channels of the picture.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of the prediction.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Height and width of a sample the model was trained on; a sample may have another size.</summary>
    public required int SampleSize { get; init; }

    /// <summary>The blocks, from the largest resolution to the smallest.</summary>
    public required IReadOnlyList<UNetLevel> Levels { get; init; }

    /// <summary>Which blocks of the way up attend to the text, from the smallest resolution to the largest.</summary>
    public required IReadOnlyList<bool> UpAttends { get; init; }

    /// <summary>Whether there is a block between the ways down and up; distilled models have none.</summary>
    public required bool HasMidBlock { get; init; }

    /// <summary>Channels of the text's hidden states.</summary>
    public required int CrossChannels { get; init; }

    /// <summary>Size of the time embedding.</summary>
    public required int TimeChannels { get; init; }

    /// <summary>The class of a picture that the model reads; null for none.</summary>
    public ClassInput? Classes { get; init; }

    /// <summary>Whether the embedding of the class stands beside that of the step rather than being added to it.</summary>
    public bool ConcatenatesClass { get; init; }

    /// <summary>Whether a sample x is read as 2·x − 1.</summary>
    public bool CentersSample { get; init; }

    /// <summary>Size of what the residual blocks read of step and class.</summary>
    public int BlockTimeChannels => ConcatenatesClass ? 2 * TimeChannels : TimeChannels;

    /// <summary>Groups of the group norms.</summary>
    public required int Groups { get; init; }

    /// <summary>ε of the group norms outside attention.</summary>
    public required float Epsilon { get; init; }

    /// <summary>Name of the activation.</summary>
    public required string Activation { get; init; }

    /// <summary>Dropout of the residual blocks.</summary>
    public float Dropout { get; init; }

    /// <summary>Whether the projections around the attention are linear layers rather than 1 × 1 convolutions.</summary>
    public bool LinearProjection { get; init; }

    /// <summary>Whether cosines come before sines in the time embedding.</summary>
    public bool FlipSinToCos { get; init; }

    /// <summary>Shift of the frequencies of the time embedding.</summary>
    public double FrequencyShift { get; init; }

    /// <summary>Padding of the downsampling convolution: 1 on each side, or 0 for one row below and one column right.</summary>
    public int DownsamplePadding { get; init; }

    /// <summary>Kernels of the first and last convolution.</summary>
    public (int In, int Out) Kernels { get; init; }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or asks for something that is not supported.</exception>
    public static UNetConfig Read(ConfigReader config, ICollection<string>? warnings)
    {
        Refuse(config, warnings);
        int[] channels = config.IntsOrNull("block_out_channels") ?? [320, 640, 1280, 1280];
        string[] down = config.Strings("down_block_types",
            ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]);
        string[] up = config.Strings("up_block_types", ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]);
        int groups = config.Int("norm_num_groups", 32, min: 1, max: MostChannels);
        CheckLengths(config, channels, down, up, groups);
        int[] layers = PerBlock(config, "layers_per_block", 2, down.Length, MostLayers);
        int[] heads = PerBlock(config, "attention_head_dim", 8, down.Length, MostChannels);
        int[] depths = PerBlock(config, "transformer_layers_per_block", 1, down.Length, MostLayers);
        int[] cross = PerBlock(config, "cross_attention_dim", 1280, down.Length, MostChannels);
        if (cross.Distinct().Count() > 1)
        {
            throw config.Error("cross_attention_dim", "differs between blocks, which is not supported; expected one number");
        }
        var levels = channels.Select((count, i) => new UNetLevel(count, layers[i], heads[i], depths[i],
            Attends(config, "down_block_types", down[i], "CrossAttnDownBlock2D", "DownBlock2D"))).ToArray();
        foreach (var level in levels.Where(level => level.Channels % level.Heads != 0))
        {
            throw config.Error("attention_head_dim",
                $"is {level.Heads}, which does not divide block_out_channels = {level.Channels}; it is the number of heads, despite its name");
        }
        int timeChannels = config.Int("time_embedding_dim", 4 * channels[0], min: 1, max: 4 * MostChannels);
        return new UNetConfig
        {
            InChannels = config.Int("in_channels", 4, min: 1, max: MostChannels),
            OutChannels = config.Int("out_channels", 4, min: 1, max: MostChannels),
            SampleSize = SizeIn(config),
            Levels = levels,
            UpAttends = [.. up.Select(type => Attends(config, "up_block_types", type, "CrossAttnUpBlock2D", "UpBlock2D"))],
            HasMidBlock = config.Has(MidBlockType) || !config.Names.Contains(MidBlockType),
            CrossChannels = cross[0],
            TimeChannels = timeChannels,
            Classes = ClassInput.Read(config, timeChannels, warnings),
            ConcatenatesClass = config.Bool("class_embeddings_concat", false),
            CentersSample = config.Bool("center_input_sample", false),
            Groups = groups,
            Epsilon = (float)config.Float("norm_eps", 1e-5, min: 0, max: 1),
            Activation = config.Choice("act_fn", "silu", [.. Activations.Names]),
            Dropout = EncoderFields.Probability(config, "dropout", 0),
            LinearProjection = config.Bool("use_linear_projection", false),
            FlipSinToCos = config.Bool("flip_sin_to_cos", true),
            FrequencyShift = config.Float("freq_shift", 0, min: -1, max: 1),
            DownsamplePadding = config.Int("downsample_padding", 1, min: 0, max: 1),
            Kernels = (Kernel(config, "conv_in_kernel"), Kernel(config, "conv_out_kernel")),
        };
    }

    private static void Refuse(ConfigReader config, ICollection<string>? warnings)
    {
        foreach (var (name, supported) in Fixed)
        {
            if (config.Raw(name) is { } value && !IsSame(value, supported))
            {
                throw config.Error(name, $"is {ConfigReader.Describe(value)}, which changes the results and is not supported; expected " +
                    (supported == "null" ? "it to be absent or null" : supported));
            }
        }
        foreach (var (name, neutral) in Unread)
        {
            if (config.Raw(name) is { } value && !IsSame(value, neutral.ToString(System.Globalization.CultureInfo.InvariantCulture)))
            {
                warnings?.Add(config.Sentence(name, $"is {ConfigReader.Describe(value)}, but no block of this model reads it; it is ignored"));
            }
        }
        if (config.Raw("upcast_attention") is { ValueKind: JsonValueKind.True })
        {
            warnings?.Add(config.Sentence("upcast_attention", "is true, which has no effect: attention is computed in float32 always"));
        }
    }

    private static bool IsSame(JsonElement value, string supported) => value.ValueKind switch
    {
        JsonValueKind.False => supported is "false" or "0",
        JsonValueKind.True => supported is "true" or "1",
        JsonValueKind.Number => value.GetDouble().ToString(System.Globalization.CultureInfo.InvariantCulture) == supported,
        JsonValueKind.String => $"\"{value.GetString()}\"" == supported,
        _ => false,
    };

    private static void CheckLengths(ConfigReader config, int[] channels, string[] down, string[] up, int groups)
    {
        if (channels.Length is 0 or > MostBlocks || channels.Any(count => count is < 1 or > MostChannels))
        {
            throw config.Error("block_out_channels",
                $"is [{string.Join(", ", channels)}], expected 1 to {MostBlocks} numbers from 1 to {MostChannels}");
        }
        if (channels.Any(count => count % groups != 0))
        {
            throw config.Error("norm_num_groups", $"is {groups}, which does not divide block_out_channels [{string.Join(", ", channels)}]");
        }
        if (down.Length != channels.Length || up.Length != channels.Length)
        {
            throw config.Error(down.Length != channels.Length ? "down_block_types" : "up_block_types",
                $"has {(down.Length != channels.Length ? down : up).Length} entries, but block_out_channels has {channels.Length}");
        }
    }

    private static bool Attends(ConfigReader config, string field, string type, string attending, string plain) =>
        type == attending || (type == plain ? false
        : throw config.Error(field, $"has \"{type}\", which is not supported; expected {attending} or {plain}"));

    /// <summary>A field that is one number for all blocks, or a list of one per block.</summary>
    private static int[] PerBlock(ConfigReader config, string name, int fallback, int blocks, int max)
    {
        if (config.Raw(name) is not { ValueKind: JsonValueKind.Array })
        {
            return [.. Enumerable.Repeat(config.Int(name, fallback, min: 1, max: max), blocks)];
        }
        int[] values = config.IntsOrNull(name)!;
        return values.Length == blocks && values.All(value => value >= 1 && value <= max) ? values
            : throw config.Error(name, $"is [{string.Join(", ", values)}], expected {blocks} numbers from 1 to {max}");
    }

    private static int SizeIn(ConfigReader config)
    {
        const int Fallback = 64;
        if (config.Raw("sample_size") is not { ValueKind: JsonValueKind.Array })
        {
            return config.Int("sample_size", Fallback, min: 1, max: MostChannels);
        }
        int[] sizes = config.IntsOrNull("sample_size")!;
        return sizes is [var height, var width] && height == width && height >= 1 ? height
            : throw config.Error("sample_size", $"is [{string.Join(", ", sizes)}], expected one number or two equal ones");
    }

    private static int Kernel(ConfigReader config, string name)
    {
        int size = config.Int(name, 3, min: 1, max: 31);
        return size % 2 == 1 ? size : throw config.Error(name, $"is {size}, expected an odd number, so that a picture keeps its size");
    }
}

/// <summary>The blocks of one resolution.</summary>
/// <param name="Channels">Channels.</param>
/// <param name="Layers">Residual blocks on the way down; the way up has one more.</param>
/// <param name="Heads">Heads of the attention.</param>
/// <param name="Depth">Transformer blocks after each residual block.</param>
/// <param name="Attends">Whether the way down attends to the text.</param>
internal sealed record UNetLevel(int Channels, int Layers, int Heads, int Depth, bool Attends);
