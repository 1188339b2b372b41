using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>The model families, by the "model_type" of their config.json. External families register like those of this library.</summary>
public static class ModelFamilies
{
    private static readonly Lock Registering = new();

    private static readonly ModelTask[] DecoderTasks =
        [ModelTask.CausalLm, ModelTask.SequenceClassification, ModelTask.FeatureExtraction];

    private static readonly ModelTask[] EncoderTasks =
    [
        ModelTask.MaskedLm, ModelTask.SequenceClassification, ModelTask.TokenClassification, ModelTask.QuestionAnswering,
        ModelTask.FeatureExtraction,
    ];

    private static readonly ModelTask[] DocumentTasks =
        [ModelTask.TokenClassification, ModelTask.SequenceClassification, ModelTask.QuestionAnswering, ModelTask.FeatureExtraction];

    private static readonly ModelTask[] PictureTasks = [ModelTask.ImageClassification, ModelTask.FeatureExtraction];

    // The dictionary is replaced, never changed, so that readers need no lock.
    private static volatile OrderedDictionary<string, ModelFamily> _families = new(StringComparer.Ordinal);

    static ModelFamilies()
    {
        foreach (string type in (string[])["llama", "mistral", "qwen2", "qwen3"])
        {
            Register(type, Llama.Read, "q_proj", "v_proj");
        }
        Register("gpt2", Gpt2.Read, "c_attn");
        foreach (var (type, read) in (ReadOnlySpan<(string, Func<ConfigReader, ICollection<string>?, DecoderSpec>)>)
            [
                ("gemma", Gemma.Read), ("gemma2", Gemma2.Read), ("gemma3_text", Gemma3.Read), ("granite", Granite.Read),
                ("smollm3", SmolLm3.Read), ("olmo2", Olmo.Read2), ("olmo3", Olmo.Read3), ("cohere", Cohere.Read),
                ("cohere2", Cohere.Read2), ("starcoder2", StarCoder2.Read), ("stablelm", StableLm.Read), ("glm4", Glm4.Read),
                ("ministral3", Ministral3.Read),
            ])
        {
            Register(type, read, "q_proj", "v_proj");
        }
        Register("phi3", Phi3.Read, "qkv_proj");
        foreach (string type in (string[])["t5", "mt5"])
        {
            Register(type, new ModelFamily(T5.Read, [ModelTask.Seq2SeqLm, ModelTask.SequenceClassification, ModelTask.TokenClassification,
                ModelTask.QuestionAnswering, ModelTask.FeatureExtraction], "q", "v"));
        }
        Register("bert", Bert.Read, "query", "value");
        Register("roberta", Roberta.Read, "query", "value");
        Register("xlm-roberta", Roberta.Read, "query", "value");
        Register("distilbert", DistilBert.Read, "q_lin", "v_lin");
        Register("electra", Electra.Read, "query", "value");
        Register("deberta-v2", DebertaV2.Read, "query_proj", "value_proj");
        Register("albert", Albert.Read, "query", "value");
        Register("modernbert", new ModelFamily((config, task, warnings) => new ModernBert(ModernBert.Read(config, warnings), task),
            EncoderTasks, "Wqkv"));
        Register("qwen3_moe", Qwen3Moe.Read, "q_proj", "v_proj");
        Register("mixtral", Mixtral.Read, "q_proj", "v_proj");
        Register("gpt_oss", GptOss.Read, "q_proj", "v_proj");
        Register("deepseek_v3", DeepseekV3.Read, "q_b_proj", "kv_b_proj", "o_proj");
        Register("qwen3_5_text", Qwen35.Read, "q_proj", "v_proj");
        Register("falcon", new ModelFamily((config, task, warnings) =>
            Decoder.Of(Falcon.Read(config, warnings, task.AsEager), config, task), DecoderTasks, "query_key_value"));
        Register("mpt", Mpt.Read, "Wqkv");
        Register("gpt_neox", GptNeoX.Read, "query_key_value");
        Register("bloom", Bloom.Read, "query_key_value");
        foreach (var (type, read) in (ReadOnlySpan<(string, Func<ConfigReader, ICollection<string>?, DecoderSpec>)>)
            [("opt", Opt.Read), ("gpt_neo", GptNeo.Read), ("gptj", GptJ.Read)])
        {
            Register(type, read, "q_proj", "v_proj");
        }
        Register("phi", Phi.Read, "q_proj", "v_proj", "fc1", "fc2");
        Register("layoutlm", LayoutLm.Read, "query", "value");
        Register("layoutlmv3", new ModelFamily((config, task, _) => new LayoutLmV3(LayoutLmV3Spec.Read(config), task), DocumentTasks,
            "query", "value"));
        Register("clip_text_model", new ModelFamily((config, task, _) => new ClipTextModel(ClipTextSpec.ReadAlone(config), task),
            [ModelTask.FeatureExtraction], "q_proj", "v_proj"));
        Register("clip", new ModelFamily((config, task, _) => ClipSpec.Declare(config, task),
            [ModelTask.Contrastive, ModelTask.ImageClassification], "q_proj", "v_proj"));
        Register("vit", new ModelFamily((config, task, _) => new VisionTransformer(Vit.Read(config, task), task), PictureTasks,
            "q_proj", "v_proj"));
        Register("dinov2", new ModelFamily((config, task, _) => new VisionTransformer(Dinov2.Read(config), task), PictureTasks,
            "query", "value"));
        Register("siglip", new ModelFamily((config, task, _) => new Siglip(SiglipSpec.Read(config, task), task),
            [ModelTask.ImageClassification], "q_proj", "v_proj"));
        Register("siglip_vision_model", new ModelFamily((config, task, _) => new Siglip(SiglipSpec.Read(config, task), task),
            [ModelTask.FeatureExtraction], "q_proj", "v_proj"));
        foreach (string type in (string[])["bart", "mbart", "pegasus"])
        {
            // transformers has no other heads for Pegasus.
            Register(type, new ModelFamily(Bart.Read, type == "pegasus" ? [ModelTask.Seq2SeqLm]
                : [ModelTask.Seq2SeqLm, ModelTask.SequenceClassification, ModelTask.QuestionAnswering], "q_proj", "v_proj"));
        }
        Register("whisper", new ModelFamily((config, _, warnings) => new Whisper(WhisperConfig.Read(config, warnings)),
            [ModelTask.SpeechToText], "q_proj", "v_proj"));
        Register("wav2vec2", new ModelFamily((config, _, warnings) => new Wav2Vec2(Wav2Vec2Config.Read(config, warnings)),
            [ModelTask.Ctc], "q_proj", "v_proj"));
        Register(UNet.ClassName, new ModelFamily((config, _, warnings) => new UNet(UNetConfig.Read(config, warnings)),
            [ModelTask.NoisePrediction], "to_q", "to_k", "to_v", "to_out.0"));
    }

    /// <summary>The values of "model_type" that can be loaded.</summary>
    public static IReadOnlyCollection<string> ModelTypes => _families.Keys;

    /// <summary>Adds a family, so that <see cref="ModelLoader"/> loads its models.</summary>
    /// <param name="modelType">The value of "model_type" in config.json.</param>
    /// <param name="declare">Creates the model that a config.json describes, without weights; its second argument receives a sentence for
    /// each contradiction with one known meaning.</param>
    /// <param name="targetModules">Names of the layers that adapters change if a configuration names none; may be empty.</param>
    /// <exception cref="ArgumentException">The family is already registered.</exception>
    public static void Register(string modelType, Func<ConfigReader, ICollection<string>?, CausalModel> declare,
        params IReadOnlyList<string> targetModules)
    {
        ArgumentNullException.ThrowIfNull(declare);
        Given.Items(targetModules);
        Register(modelType, new ModelFamily(
            (config, _, warnings) => Given.Result(declare(config, warnings), $"the family of model type \"{modelType}\""),
            [ModelTask.CausalLm], targetModules));
    }

    /// <summary>Adds a family.</summary>
    internal static void Register(string modelType, ModelFamily family)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelType);
        lock (Registering)
        {
            var families = new OrderedDictionary<string, ModelFamily>(_families, StringComparer.Ordinal);
            if (!families.TryAdd(modelType, family))
            {
                throw new ArgumentException($"the model family \"{modelType}\" is registered already", nameof(modelType));
            }
            _families = families;
        }
    }

    private static void Register(string modelType, Func<ConfigReader, ICollection<string>?, DecoderSpec> read,
        params IReadOnlyList<string> targetModules) =>
        Register(modelType, new ModelFamily((config, task, warnings) => Decoder.Of(read(config, warnings), config, task), DecoderTasks,
            targetModules));

    private static void Register(string modelType, Func<ConfigReader, EncoderSpec> read, params IReadOnlyList<string> targetModules) =>
        Register(modelType, new ModelFamily((config, task, _) => new PostNormEncoder(read(config), task), EncoderTasks, targetModules));

    /// <summary>The family of a model type; null if there is none.</summary>
    internal static ModelFamily? Find(string modelType) => _families.GetValueOrDefault(modelType);
}

/// <summary>One family.</summary>
/// <param name="Declare">Creates a model from its config.json, without weights, with the head of a task.</param>
/// <param name="Tasks">The tasks of the family, the default first.</param>
/// <param name="TargetModules">The layers that adapters change if a configuration names none.</param>
internal sealed record ModelFamily(Func<ConfigReader, TaskSpec, ICollection<string>?, TransformerModel> Declare,
    IReadOnlyList<ModelTask> Tasks, params IReadOnlyList<string> TargetModules);
