using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PeftCore.Extensions.AI.Hosting;

/// <summary>Makes clients and generators of what the container has.</summary>
internal static class ServiceFactories
{
    /// <summary>The key of the model of an embedding generator that has one of its own.</summary>
    public const string EmbeddingModel = "PeftCore.Embeddings";

    /// <summary>A client over the registered model.</summary>
    public static PeftCoreChatClient NewChatClient(IServiceProvider services, string? adapter) =>
        new(services.GetRequiredService<PeftCoreModel>(), adapter, services.GetService<ILoggerFactory>(),
            services.GetRequiredService<Instruments>(), ownsModel: false);

    /// <summary>A generator over a model.</summary>
    public static PeftCoreEmbeddingGenerator NewEmbeddingGenerator(IServiceProvider services, PeftCoreModel model,
        PeftCoreEmbeddingOptions? options) => new(model, options, adapter: null, services.GetService<ILoggerFactory>(),
            services.GetRequiredService<Instruments>(), ownsModel: false);
}

/// <summary>Loads a model when the host starts, so that a host whose model cannot be loaded does not start.</summary>
/// <param name="load">Loads it.</param>
internal sealed class ModelLoading(Func<PeftCoreModel> load) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(load, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
