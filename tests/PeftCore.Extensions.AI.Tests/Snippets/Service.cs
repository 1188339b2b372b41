using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using PeftCore.Data;
using PeftCore.Peft.Lora;
using PeftCore.Training;

namespace PeftCore.Extensions.AI.Tests.Snippets;

internal static class Service
{
    public static async Task<ChatResponse> RunAsync(string modelDirectory, string adapterDirectory, string outputDirectory)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddPeftCore(options =>
            {
                options.ModelDirectory = modelDirectory;
                options.ChatTemplate = "chatml";
            })
            .AddAdapter("poems", adapterDirectory)
            .AddEmbeddings()
            .AddTraining(options => options.OutputDirectory = outputDirectory);
        using var host = builder.Build();
        await host.StartAsync();
        var queue = host.Services.GetRequiredService<AdapterTrainingQueue>();
        var client = host.Services.GetRequiredService<IChatClient>();

        var job = await queue.EnqueueAsync(new AdapterTrainingRequest
        {
            Adapter = "answers",
            Rows = [DataRow.OfPrompt("Question: Rain? Answer:", " No.")],
            Config = new LoraConfig { Rank = 8, Alpha = 16 },
            Trainer = new TrainerOptions { MaxSteps = 2 },
            Progress = new Progress<TrainingProgress>(step => Console.WriteLine($"{step.Step}: {step.Loss}")),
        });
        await job.Completion;
        var response = await client.GetResponseAsync("Rain?", new ChatOptions { ModelId = "answers", MaxOutputTokens = 4 });

        await host.StopAsync();
        return response;
    }
}
