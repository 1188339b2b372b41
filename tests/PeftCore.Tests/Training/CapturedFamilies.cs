using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Short trainings of tiny models, with dropout where a family has it, that read more of their inputs than token ids: windows,
/// rows of position tables, factors of queries, padding, token types, buckets of relative positions, a decoder's own inputs.</summary>
internal static class CapturedFamilies
{
    private const int Rows = 2, Length = 12;

    private const string Sizes = "\"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, " +
        "\"intermediate_size\": 24, \"max_position_embeddings\": 32, \"pad_token_id\": 0";

    private const string Encoder = Sizes + ", \"hidden_dropout_prob\": 0.2, \"attention_probs_dropout_prob\": 0.2";

    private static readonly Dictionary<string, string> Configs = new(StringComparer.Ordinal)
    {
        ["mistral"] = $"\"num_key_value_heads\": 1, \"sliding_window\": 5, \"attention_dropout\": 0.2, {Sizes}",
        ["opt"] = "\"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"ffn_dim\": 24, " +
            "\"word_embed_proj_dim\": 16, \"max_position_embeddings\": 32, \"dropout\": 0.2, \"attention_dropout\": 0.2",
        ["ministral3"] = $"\"num_key_value_heads\": 1, \"head_dim\": 8, {Sizes}, \"rope_parameters\": {{\"rope_type\": \"yarn\", " +
            "\"rope_theta\": 10000, \"factor\": 2, \"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 1, \"mscale_all_dim\": 1, " +
            "\"original_max_position_embeddings\": 4, \"llama_4_scaling_beta\": 0.5}",
        ["qwen3_5_text"] = $"\"num_key_value_heads\": 1, \"head_dim\": 8, {Sizes}, \"full_attention_interval\": 2, " +
            "\"linear_conv_kernel_dim\": 4, \"linear_key_head_dim\": 8, \"linear_num_key_heads\": 1, \"linear_num_value_heads\": 2, " +
            "\"linear_value_head_dim\": 8",
        ["bert"] = Encoder,
        ["roberta"] = Encoder,
        ["deberta-v2"] = $"{Encoder}, \"relative_attention\": true, \"pos_att_type\": [\"c2p\", \"p2c\"], \"position_buckets\": 4, " +
            "\"position_biased_input\": false",
        ["modernbert"] = $"{Sizes}, \"local_attention\": 4, \"global_attn_every_n_layers\": 2, \"attention_dropout\": 0.2",
        ["t5"] = "\"vocab_size\": 40, \"d_model\": 16, \"d_kv\": 8, \"d_ff\": 24, \"num_layers\": 2, \"num_heads\": 2, " +
            "\"decoder_start_token_id\": 0, \"pad_token_id\": 0, \"eos_token_id\": 1, \"dropout_rate\": 0.2, \"feed_forward_proj\": " +
            "\"relu\"",
        ["bart"] = "\"vocab_size\": 40, \"d_model\": 16, \"encoder_layers\": 2, \"decoder_layers\": 2, \"encoder_attention_heads\": 2, " +
            "\"decoder_attention_heads\": 2, \"encoder_ffn_dim\": 24, \"decoder_ffn_dim\": 24, \"max_position_embeddings\": 32, " +
            "\"decoder_start_token_id\": 2, \"pad_token_id\": 0, \"bos_token_id\": 1, \"eos_token_id\": 2, \"dropout\": 0.2, " +
            "\"attention_dropout\": 0.2",
    };

    /// <summary>The families.</summary>
    public static IEnumerable<string> Names => Configs.Keys;

    /// <summary>Losses, gradient norms and weights of six steps over batches of one shape whose rows have other lengths each
    /// time.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="family">One of <see cref="Names"/>.</param>
    /// <param name="capture">Whether passes are captured.</param>
    /// <param name="packed">Whether a row holds two samples.</param>
    /// <returns>The numbers, and how many passes launched a graph.</returns>
    public static (List<double> Values, int Launches) Train(Backend backend, string family, bool capture, bool packed = false)
    {
        using var scope = new TensorScope();
        bool isEncoder = family.Contains("bert", StringComparison.Ordinal);
        var model = ModelLoader.Declare(ConfigReader.Parse($"{{\"model_type\": \"{family}\", {Configs[family]}}}", "config.json"),
            task: isEncoder ? new TaskOptions { Task = ModelTask.SequenceClassification, Labels = ["a", "b", "c"] } : null);
        ModelLoader.Initialize(model, backend, DType.F32, seed: 3);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig
        {
            Rank = 2, Alpha = 4, Dropout = 0.1, Init = LoraInit.Gaussian,
            TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear),
        }, seed: 5);
        ITrainable trainable = new TrainableAdapter(peft);
        using var optimizer = new AdamW(trainable.Parameters);
        ITrainingStep eager = new TrainingStep(trainable, optimizer, 1);
        using var step = capture ? CapturedStep.Wrap(eager) : eager;
        var values = new List<double>();
        for (int i = 0; i < 6; i++)
        {
            var result = step.Run([BatchOf(model, i, packed)], 1e-2, i, (ulong)i);
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        values.AddRange(peft.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        peft.Unload();
        model.Dispose();
        return (values, (step as CapturedStep)?.GraphLaunches ?? 0);
    }

    private static Batch BatchOf(TransformerModel model, int step, bool packed)
    {
        var collator = new Collator(padId: 0, fixedLength: Length);
        return packed
            ? collator.CollateRows([.. Enumerable.Range(0, Rows).Select(row => new[] { Sample(row, 7), Sample(row + Rows, 4) })])
            : collator.Collate([Sample(0, Length), Sample(1, Length - 4 + step % 2)]);

        Example Sample(int row, int length)
        {
            int[] ids = Ids(row, length);
            return model.Task switch
            {
                ModelTask.Seq2SeqLm => Example.Unlabelled(ids) with { TargetIds = Ids(row + 5, 6) },
                ModelTask.SequenceClassification => Example.Unlabelled(ids) with
                {
                    ClassLabel = (row + step) % 3,
                    TypeIds = [.. ids.Select((_, t) => t > length / 2 ? 1 : 0)],
                },
                // As many targets in each step: the number of rows with a target is part of a graph's key.
                _ => new Example(ids, [.. ids.Select((id, t) => t < 3 ? id : Example.Masked)]),
            };
        }

        int[] Ids(int row, int length) => [.. Enumerable.Range(0, length).Select(t => 3 + (31 * step + 7 * row + 5 * t) % 36)];
    }
}
