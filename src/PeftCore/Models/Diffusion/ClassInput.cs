using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>How a UNet embeds the class of a picture.</summary>
internal enum ClassEmbeddingKind
{
    /// <summary>A row of a table for each class: class_embed_type null, num_class_embeds classes.</summary>
    Table,

    /// <summary>Sines and cosines of a number, as of the step of the noise schedule, and two linear layers.</summary>
    Timestep,

    /// <summary>A vector, added as it is.</summary>
    Identity,

    /// <summary>A vector, and two linear layers.</summary>
    Projection,

    /// <summary>A vector, and one linear layer.</summary>
    SimpleProjection,
}

/// <summary>The class of a picture that a UNet reads beside it (class_labels).</summary>
/// <param name="Kind">How it is embedded.</param>
/// <param name="Size">Numbers of a class vector, or the classes that a number stands for.</param>
internal sealed record ClassInput(ClassEmbeddingKind Kind, int Size)
{
    private const string TypeField = "class_embed_type", CountField = "num_class_embeds", ColumnsField = "projection_class_embeddings_input_dim";

    private const int MostClasses = 1 << 20, MostColumns = 1 << 16;

    /// <summary>Whether a class is a number rather than a vector.</summary>
    public bool IsNumber => Kind is ClassEmbeddingKind.Table or ClassEmbeddingKind.Timestep;

    /// <summary>Numbers that describe the class of one picture.</summary>
    public int Columns => IsNumber ? 1 : Size;

    /// <summary>Reads a config.json; null for a model that reads no class.</summary>
    /// <param name="config">The file.</param>
    /// <param name="timeChannels">Size of the time embedding.</param>
    /// <param name="warnings">Receives a sentence for each field without effect.</param>
    /// <exception cref="BadInputException">A field is wrong, missing, or not supported.</exception>
    public static ClassInput? Read(ConfigReader config, int timeChannels, ICollection<string>? warnings)
    {
        string? type = config.StringOrNull(TypeField);
        var input = type switch
        {
            null when !config.Has(CountField) => null,
            null => new ClassInput(ClassEmbeddingKind.Table, config.Int(CountField, min: 1, max: MostClasses)),
            "timestep" => new ClassInput(ClassEmbeddingKind.Timestep, TimeWaves.Steps),
            "identity" => new ClassInput(ClassEmbeddingKind.Identity, timeChannels),
            "projection" => new ClassInput(ClassEmbeddingKind.Projection, config.Int(ColumnsField, min: 1, max: MostColumns)),
            "simple_projection" => new ClassInput(ClassEmbeddingKind.SimpleProjection, config.Int(ColumnsField, min: 1, max: MostColumns)),
            _ => throw config.Error(TypeField,
                $"is \"{type}\", which is not supported; expected timestep, identity, projection, simple_projection, or null"),
        };
        if (type is not null && config.Has(CountField))
        {
            warnings?.Add(config.Sentence(CountField, $"has no effect beside {TypeField} \"{type}\"; it is ignored"));
        }
        if (input?.Kind is not (ClassEmbeddingKind.Projection or ClassEmbeddingKind.SimpleProjection) && config.Has(ColumnsField))
        {
            warnings?.Add(config.Sentence(ColumnsField, $"has no effect unless {TypeField} is projection or simple_projection; it is ignored"));
        }
        return input is not null || !config.Bool("class_embeddings_concat", false) ? input
            : throw config.Error("class_embeddings_concat", $"is true, but there is no class to concatenate: set {TypeField} or {CountField}");
    }

    /// <summary>The numbers of the classes of a batch.</summary>
    /// <exception cref="BadInputException">One is no class.</exception>
    public int[] Numbers(DenseArray classes)
    {
        int[] numbers = classes.ToInts("class_labels");
        return Array.FindIndex(numbers, number => number < 0 || number >= Size) is >= 0 and int wrong
            ? throw new BadInputException($"class_labels: {numbers[wrong]} is no class of this UNet; expected 0 to {Size - 1}") : numbers;
    }

    /// <summary>Refuses classes that a model does not read, or that do not fit it.</summary>
    /// <param name="input">What the model reads; null for no class.</param>
    /// <param name="classes">The classes of a batch; null for none.</param>
    public static void Check(ClassInput? input, DenseArray? classes)
    {
        if (input is null && classes is not null)
        {
            throw new BadInputException($"class_labels: this UNet reads no classes: config.json has neither {TypeField} nor {CountField}; leave "
                + "them out");
        }
        if (input is not null && classes?.Shape.Columns != input.Columns)
        {
            string reads = input.IsNumber ? $"the class of each picture, a number from 0 to {input.Size - 1}"
                : $"a vector of {input.Size} numbers for each picture";
            throw new BadInputException($"class_labels: this UNet reads {reads}, " + (classes is null ? "which the batch does not have"
                : $"but the batch has {classes.Shape.Columns} numbers for each"));
        }
    }
}
