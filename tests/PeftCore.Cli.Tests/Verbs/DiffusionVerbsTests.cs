using PeftCore.Cli.Demo;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Diffusion models through the tool: training on pictures and latents, evaluation, sampling, and their errors.</summary>
public sealed class DiffusionVerbsTests
{
    private const string Steps = "2";

    private static string Config(int channels) => $$"""
        {"_class_name": "UNet2DConditionModel", "sample_size": 8, "in_channels": {{channels}}, "out_channels": {{channels}},
         "block_out_channels": [8, 16], "layers_per_block": 1, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
         "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": 2, "cross_attention_dim": 16, "norm_num_groups": 4}
        """;

    [Test]
    public void A_lora_is_trained_on_pictures_measured_sampled_and_saved_for_diffusers()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, 3), pictures = Pictures(directory), run = Path.Combine(directory.FullPath, "run");
        var trained = Train(unet, pictures, run, "--flip", "true", "--learning-rate", "1e-2");
        Assert.That(trained.Error, Does.Contain("hidden states of zero").And.Contain("there is no scheduler_config.json"));

        double Loss(params string[] more) => Done(["eval", "--model", unet, "--data", pictures, .. more]).Json.GetProperty("loss").GetDouble();
        double before = Loss(), after = Loss("--adapter", run);
        Assert.That(after, Is.Not.EqualTo(before));
        Assert.That(Loss("--adapter", run), Is.EqualTo(after), "the noise of an evaluation is fixed");

        string again = Path.Combine(directory.FullPath, "again");
        Done("convert", "--adapter", Path.Combine(run, "pytorch_lora_weights.safetensors"), "--output-dir", again);
        Assert.That(Loss("--adapter", again), Is.EqualTo(after).Within(1e-6));

        byte[][] Drawn(string name, params string[] more) => Draw(unet, Path.Combine(directory.FullPath, name), more);
        byte[][] plain = Drawn("a");
        Assert.That(Drawn("b"), Is.EqualTo(plain));
        Assert.That(Drawn("c", "--adapter", run), Is.Not.EqualTo(plain));
        Assert.That(Drawn("d", "--seed", "7"), Is.Not.EqualTo(plain));
        Assert.That(File.Exists(Path.Combine(directory.FullPath, "a", "all.png")));
    }

    [Test]
    public void A_resumed_run_ends_as_one_that_never_stopped()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, 3), pictures = Pictures(directory), run = Path.Combine(directory.FullPath, "run");
        Train(unet, pictures, run, "--save-steps", "1", "--flip", "true");
        string resumed = Path.Combine(directory.FullPath, "resumed");
        Train(unet, pictures, resumed, "--resume-from-checkpoint", Path.Combine(run, "checkpoint-1"), "--flip", "true");
        Assert.That(Weights(resumed), Is.EqualTo(Weights(run)));
    }

    [Test]
    public void A_model_of_random_weights_is_trained_in_full_and_merged_with_its_schedule()
    {
        using var directory = new TemporaryDirectory();
        string schedule = """{"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}""";
        string unet = Init(directory, 3, schedule), pictures = Pictures(directory), run = Path.Combine(directory.FullPath, "run");
        var trained = Train(unet, pictures, run, "--method", "full");
        Assert.That(trained.Error, Does.Not.Contain("scheduler_config.json"));
        Assert.That(File.Exists(Path.Combine(run, "pytorch_lora_weights.safetensors")), Is.False);
        string merged = Path.Combine(directory.FullPath, "merged");
        Done("merge", "--model", unet, "--adapter", run, "--output-dir", merged);
        Assert.That(File.ReadAllText(Path.Combine(merged, "scheduler_config.json")), Is.EqualTo(schedule));
        Assert.That(Draw(merged, Path.Combine(directory.FullPath, "a")),
            Is.EqualTo(Draw(unet, Path.Combine(directory.FullPath, "b"), "--adapter", run)));
    }

    [Test]
    public void The_text_encoder_beside_a_UNet_reads_captions_and_prompts()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, 3, name: "pipeline/unet"), tokenizer = Path.Combine(directory.FullPath, "pipeline", "tokenizer");
        Init(directory, """
            {"model_type": "clip_text_model", "architectures": ["CLIPTextModel"], "hidden_size": 16, "num_attention_heads": 2,
             "num_hidden_layers": 1, "intermediate_size": 16, "vocab_size": 4096, "max_position_embeddings": 9, "eos_token_id": 2}
            """, "pipeline/text_encoder");
        Directory.CreateDirectory(tokenizer);
        foreach (string file in (string[])["tokenizer.json", "tokenizer_config.json"])
        {
            File.Copy(Path.Combine(Bundled.BaseLlama, file), Path.Combine(tokenizer, file));
        }
        string pictures = Pictures(directory), data = Path.Combine(pictures, "train", "disc");
        File.WriteAllText(Path.Combine(data, "metadata.csv"), "file_name,text\n00.png,a red disc on the left of a very large green field\n01.png,\n");

        double Loss(string from) => Done("eval", "--model", unet, "--data", from).Json.GetProperty("loss").GetDouble();
        Assert.That(Loss(data), Is.GreaterThan(0));
        Train(unet, pictures, Path.Combine(directory.FullPath, "run"));
        byte[][] Drawn(string name, params string[] more) => Draw(unet, Path.Combine(directory.FullPath, name), more);
        byte[][] disc = Drawn("a", "--prompt", "disc");
        Assert.That(Drawn("b", "--prompt", "disc"), Is.EqualTo(disc));
        Assert.That(Drawn("c", "--prompt", "stripes"), Is.Not.EqualTo(disc));
        Assert.That(Drawn("d", "--prompt", "disc", "--guidance-scale", "1"), Is.Not.EqualTo(disc));
    }

    [Test]
    public void A_model_with_classes_learns_and_draws_them_by_number()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, Config(3).Insert(1, "\"num_class_embeds\": 3, "), "unet"), plain = Init(directory, 3, name: "plain");
        string pictures = Pictures(directory), run = Path.Combine(directory.FullPath, "run");
        string[] names = ["--label-names", "checks=0,disc=1,stripes=2"];
        Train(unet, pictures, run, names);
        double Loss(string from) => Done(["eval", "--model", unet, "--data", from, .. names]).Json.GetProperty("loss").GetDouble();
        double whole = Loss(pictures);
        Directory.Move(Path.Combine(pictures, "test", "disc"), Path.Combine(directory.FullPath, "1"));
        Directory.Delete(Path.Combine(pictures, "test"), recursive: true);
        Directory.Move(Path.Combine(directory.FullPath, "1"), Path.Combine(Directory.CreateDirectory(Path.Combine(pictures, "test")).FullName, "1"));
        Assert.That(Loss(pictures), Is.Not.EqualTo(whole), "a directory may also be named by the number");

        byte[][] Drawn(string label) => Draw(unet, Path.Combine(directory.FullPath, label), "--class-label", label);
        Assert.That(Drawn("1"), Is.Not.EqualTo(Drawn("2")));

        string[] draw = ["generate", "--output-dir", Path.Combine(directory.FullPath, "no"), "--model"];
        Refused("give its number, 0 to 2, as the class label", [.. draw, unet]);
        Refused("3 is no class of this UNet; expected 0 to 2", [.. draw, unet, "--class-label", "3"]);
        Refused("this model draws no classes; leave the class label out", [.. draw, plain, "--class-label", "0"]);
        Refused("the class is \"checks\", expected a number from 0 to 2; rename it, or number the classes with --label-names \"checks=0,…\"",
            "train", "--model", unet, "--data", pictures, "--output-dir", Path.Combine(directory.FullPath, "no"));
        Refused("the picture has no class, but this model reads one",
            "eval", "--model", unet, "--data", Path.Combine(pictures, "train", "disc"));
    }

    [Test]
    public void Latents_are_read_from_files_and_pictures_refused_where_a_model_reads_latents()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, 4), latents = Directory.CreateDirectory(Path.Combine(directory.FullPath, "latents")).FullName;
        for (int i = 0; i < 3; i++)
        {
            RawTensor.WriteAll(Path.Combine(latents, $"{i}.safetensors"), [RawTensor.Random("latents", new Random(i), 1, 4, 8, 8),
                RawTensor.Random("encoder_hidden_states", new Random(i), 1, 5, 16)]);
        }
        Assert.That(Train(unet, latents, Path.Combine(directory.FullPath, "run")).Json.GetProperty("train_loss").GetDouble(),
            Is.GreaterThan(0));
        Refused("the latents of a variational autoencoder", "eval", "--model", unet, "--data", Pictures(directory));
        Refused("random changes are for pictures", "train", "--model", unet, "--data", latents, "--output-dir", "unused", "--flip", "true");
        Refused("what turns them into a picture, a variational autoencoder, is not supported",
            "generate", "--model", unet, "--output-dir", Path.Combine(directory.FullPath, "drawn"));

        RawTensor.WriteAll(Path.Combine(latents, "3.safetensors"), [RawTensor.Random("latents", new Random(3), 1, 3, 8, 8)]);
        Refused("3.safetensors: the latents have 3 channels, but this model reads 4", "eval", "--model", unet, "--data", latents);
        RawTensor.WriteAll(Path.Combine(latents, "3.safetensors"), [RawTensor.Random("pixels", new Random(3), 1, 4, 8, 8)]);
        Refused("3.safetensors: the file has no tensor \"latents\"", "eval", "--model", unet, "--data", latents);
        RawTensor.WriteAll(Path.Combine(latents, "3.safetensors"), [RawTensor.Random("latents", new Random(3), 1, 4, 8, 8)]);
        Refused("3.safetensors: the states of its text are (1, 16)", "eval", "--model", unet, "--data", latents);
        Assert.That(ToolRun.Of("eval", "--model", unet, "--data", latents, "--skip-bad").ExitCode, Is.EqualTo(2), "the file is not damaged");

        RawTensor.WriteAll(Path.Combine(latents, "3.safetensors"), [RawTensor.Random("latents", new Random(3), 1, 4, 8, 8),
            RawTensor.Random("encoder_hidden_states", new Random(3), 1, 5, 16), RawTensor.Random("class_labels", new Random(3), 1, 32)]);
        Refused("3.safetensors: class_labels has 32 numbers, but this model reads no class", "eval", "--model", unet, "--data", latents);
        string classes = Init(directory, Config(4).Insert(1, "\"class_embed_type\": \"identity\", "), "classes");
        Refused("0.safetensors: this model reads a vector of 32 numbers for the class", "eval", "--model", classes, "--data", latents);
        string one = Directory.CreateDirectory(Path.Combine(directory.FullPath, "one")).FullName;
        File.Move(Path.Combine(latents, "3.safetensors"), Path.Combine(one, "3.safetensors"));
        Assert.That(Done("eval", "--model", classes, "--data", one).Json.GetProperty("loss").GetDouble(), Is.GreaterThan(0));
    }

    [Test]
    public void Prompts_without_a_text_encoder_and_models_that_draw_nothing_are_refused()
    {
        using var directory = new TemporaryDirectory();
        string unet = Init(directory, 3), output = Path.Combine(directory.FullPath, "drawn");
        Refused("needs text_encoder and tokenizer beside the model's directory",
            "generate", "--model", unet, "--output-dir", output, "--prompt", "a cat");
        Refused("draws no pictures; leave --output-dir out", "generate", "--model", Bundled.BaseLlama, "--output-dir", output);
        Refused("1001 steps of sampling; expected 1 to 1000",
            "generate", "--model", unet, "--output-dir", output, "--num-inference-steps", "1001");
        Refused("expected --output-dir DIR, where the pictures go", "generate", "--model", unet, "--prompt", "a cat");
        Assert.That(Directory.Exists(output), Is.False);
        var noted = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--prompt", "A", "--max-new-tokens", "1", "--num-images", "2");
        Assert.That(noted.Error, Does.Contain("--num-images has no effect without --output-dir"));
    }

    [Test]
    public void Init_refuses_a_file_of_another_name_and_repeats_its_weights()
    {
        using var directory = new TemporaryDirectory();
        string one = Init(directory, 3, name: "one"), two = Init(directory, 3, name: "two");
        Assert.That(File.ReadAllBytes(Path.Combine(one, "diffusion_pytorch_model.safetensors")),
            Is.EqualTo(File.ReadAllBytes(Path.Combine(two, "diffusion_pytorch_model.safetensors"))));
        Refused("this is a file", "init", "--config", directory.Write("unet.json", Config(3)), "--output-dir", "unused");
    }

    private static string Init(TemporaryDirectory directory, int channels, string? schedule = null, string name = "unet") =>
        Init(directory, Config(channels), name, schedule);

    private static string Init(TemporaryDirectory directory, string config, string name, string? schedule = null)
    {
        string source = Directory.CreateDirectory(Path.Combine(directory.FullPath, "config of " + name.Replace('/', ' '))).FullName;
        string output = Path.Combine(directory.FullPath, name);
        File.WriteAllText(Path.Combine(source, "config.json"), config);
        if (schedule is not null)
        {
            File.WriteAllText(Path.Combine(source, "scheduler_config.json"), schedule);
        }
        Done("init", "--config", Path.Combine(source, "config.json"), "--output-dir", output);
        return output;
    }

    private static string Pictures(TemporaryDirectory directory)
    {
        string pictures = Path.Combine(directory.FullPath, "pictures");
        DemoPictures.Draw(pictures, train: 3, seed: 3);
        return pictures;
    }

    private static ToolRun Train(string unet, string data, string output, params string[] more) => Done(
        ["train", "--model", unet, "--task", "noise-prediction", "--data", data, "--output-dir", output, "--max-steps", Steps, "--batch-size",
            "4", .. more]);

    private static byte[][] Draw(string unet, string output, params string[] more)
    {
        var drawn = Done(["generate", "--model", unet, "--output-dir", output, "--num-images", "2", "--num-inference-steps", "3", .. more]);
        return [.. drawn.Json.GetProperty("images").EnumerateArray().Select(file => File.ReadAllBytes(file.GetString()!))];
    }

    private static byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(run, "adapter_model.safetensors"));

    private static ToolRun Done(params string[] args)
    {
        var run = ToolRun.Of([.. args, "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    private static void Refused(string expected, params string[] args)
    {
        var run = ToolRun.Of(args);
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2, run.Error)), expected);
        Assert.That(run.Error, Does.Contain(expected));
    }
}
